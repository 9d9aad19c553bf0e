"""A host made of files that real runtimes wrote: `files/RUNTIME` is its root, processes.json its /proc.

The files were copied while the containers ran and cut down to some of their members; databases are compressed.
"""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

from sigtrace.containers import of_process
from sigtrace.containers.paths import Roots
from sigtrace.events.container import Container

FILES = Path(__file__).parent / "files"


class Host:
    """The captured host of one runtime, to be changed at will."""

    def __init__(self, runtime: str, root: Path) -> None:
        self.root = root / "host"
        self.proc = root / "proc"
        shutil.copytree(FILES / runtime, self.root)
        for packed in self.root.rglob("*.gz"):
            packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
            packed.unlink()
        processes: dict[str, dict[str, Any]] = json.loads((self.root / "processes.json").read_text())
        for pid, facts in processes.items():
            self.process(int(pid), facts)

    def process(self, pid: int, facts: dict[str, Any]) -> None:
        """Add a process: its cgroup and stat, the SigBlk of its status, and perhaps its parent."""
        home = self.proc / str(pid)
        home.mkdir(parents=True)
        (home / "cgroup").write_text(facts["cgroup"])
        (home / "stat").write_text(facts["stat"])
        (home / "status").write_text(f"Name:\tx\nSigBlk:\t{facts['SigBlk']}\n")
        if "parent" in facts:
            number = facts["parent"]["stat"].split()[0]
            task = self.proc / number / "task" / number
            task.mkdir(parents=True, exist_ok=True)
            for directory in (task, self.proc / number):
                (directory / "stat").write_text(facts["parent"]["stat"])
            (self.proc / number / "cmdline").write_text("\0".join(facts["parent"]["cmdline"]) + "\0")

    def of(self, pid: int, *roots: str) -> Container | None:
        """Whose the process is, with these roots besides."""
        return of_process(pid, Roots.parse([f"host={self.root}", *roots]), str(self.proc))

    def file(self, name: str) -> Path:
        """The only file of the host whose path ends so."""
        (found,) = [path for path in self.root.rglob("*") if str(path).endswith(name) and path.is_file()]
        return found

    def orphan(self, pid: int) -> None:
        """Let the process's parent be gone."""
        stat = self.proc / str(pid) / "stat"
        before, _, after = stat.read_text().rpartition(")")
        fields = after.split()
        stat.write_text(f"{before}) {fields[0]} 1 {' '.join(fields[2:])}\n")
