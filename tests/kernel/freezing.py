"""Cgroups that tests freeze and thaw."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from sigtrace.lab.actor import Actor
from sigtrace.lab.channel import wait_until


class Freezer:
    """A cgroup below one that can be frozen, so that the process's own cgroup shows an ancestor's state."""

    def __init__(self, hierarchy: Path, version: str) -> None:
        self.version = version
        self.above = hierarchy / f"sigtrace-test-{os.getpid()}"
        self.below = self.above / "below"

    def hold(self, actor: Actor) -> None:
        self.hold_pid(actor.pid)

    def hold_pid(self, pid: int) -> None:
        self.below.mkdir(parents=True, exist_ok=True)
        (self.below / "cgroup.procs").write_text(str(pid))
        self.set(True)

    def set(self, frozen: bool) -> None:
        if self.version == "v2":
            (self.above / "cgroup.freeze").write_text("1" if frozen else "0")
            state, wanted = self.below / "cgroup.events", f"frozen {int(frozen)}"
        else:
            wanted = "FROZEN" if frozen else "THAWED"
            state = self.above / "freezer.state"
            state.write_text(wanted)
        wait_until(lambda: wanted in state.read_text().splitlines(), f"{state} to say {wanted}")

    def remove(self) -> None:
        if not self.above.exists():
            return
        self.set(False)
        for group in (self.below, self.above):
            with contextlib.suppress(FileNotFoundError):
                wait_until(
                    lambda group=group: not (group / "cgroup.procs").read_text(), f"{group} to be empty"
                )
                group.rmdir()


def hierarchy_of(version: str) -> Path | None:
    for line in Path("/proc/mounts").read_text().splitlines():
        _, point, kind, options, *_ = line.split(" ")
        if (kind == "cgroup2" and version == "v2") or (
            kind == "cgroup" and version == "v1" and "freezer" in options.split(",")
        ):
            return Path(point)
    return None
