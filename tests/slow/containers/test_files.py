"""Foreign files that are cut and overwritten at random, again and again."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from sigtrace.containers import files
from tests.builders.captured import Host


@pytest.mark.parametrize(
    "runtime", ["docker", "podman", "containerd", "runc", "crun", "lxc", "nspawn", "rootless"]
)
def test_whatever_happens_to_the_files_the_answer_is_a_container_or_none(
    tmp_path: Path, runtime: str
) -> None:
    """Every file of a host, and what processes choose of /proc, is cut and overwritten at random, again and again."""
    chance = random.Random(runtime)
    host = Host(runtime, tmp_path)
    chosen = [*host.root.rglob("*"), *host.proc.glob("*/cgroup"), *host.proc.glob("*/cmdline")]
    paths = [path for path in chosen if path.is_file()]
    kept = {path: path.read_bytes() for path in paths}
    pids = [int(path.parent.name) for path in host.proc.glob("*/cgroup")]
    for _ in range(60):
        for path, content in kept.items():
            path.write_bytes(_damaged(content, chance))
        for pid in pids:
            found = host.of(pid)
            assert found is None or found.id
            for column in found.columns if found else ():
                column.encode()
                assert len(column) <= files.MAX_TEXT


def _damaged(content: bytes, chance: random.Random) -> bytes:
    kind = chance.randrange(4)
    raw = bytearray(content)
    if kind == 1:
        del raw[chance.randrange(len(raw) + 1) :]
    for _ in range(chance.randrange(1, 20) if kind > 1 and raw else 0):
        raw[chance.randrange(min(len(raw), 4096 if kind == 2 else len(raw)))] = chance.randrange(256)
    return bytes(raw)
