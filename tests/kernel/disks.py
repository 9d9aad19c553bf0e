"""Disks of a test's own that hang, fill up or fail, for real; gone for certain when the block ends."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_HOLD = """
set -e
mount -t tmpfs -o size={backing} tmpfs {where}
truncate -s 16M {where}/image
mkfs.ext4 -q -E lazy_itable_init=0,lazy_journal_init=0 {where}/image
mkdir {where}/disk
mount -o loop {where}/image {where}/disk
echo mounted
read -r line || true
fsfreeze -u {where}/disk 2> /dev/null || true
"""
"""Holds the mounts in a mount namespace of its own until its stdin is closed, by us or by our end."""


@dataclass(frozen=True)
class Disk:
    """An ext4 on a loop device, in the mount namespace of a process."""

    holder: int
    where: Path
    """As the processes in that mount namespace call it."""

    @property
    def under(self) -> list[str]:
        """The words that start a command where the disk is mounted."""
        return ["nsenter", "--mount", "--target", str(self.holder)]

    def seen(self, path: Path) -> Path:
        """A path of that mount namespace as we see it."""
        return Path(f"/proc/{self.holder}/root{path}")

    @property
    def backing(self) -> Path:
        """The directory that has the image."""
        return self.seen(self.where.parent)

    def freeze(self) -> None:
        """Have every write wait, in a state in which no signal reaches the process."""
        subprocess.run([*self.under, "fsfreeze", "-f", str(self.where)], check=True)

    def abort(self) -> None:
        """Have it turn read-only, as the kernel makes it after an error, whoever has files open for writing."""
        subprocess.run(
            [*self.under, "mount", "-o", "remount,abort", str(self.where)], check=False, capture_output=True
        )

    def thaw(self) -> None:
        subprocess.run([*self.under, "fsfreeze", "-u", str(self.where)], check=True)


@contextmanager
def disk(where: Path, backing: str = "32m") -> Iterator[Disk]:
    """An empty disk of 16 MiB; backing: the size of the file system that its image is on."""
    where.mkdir(exist_ok=True)
    holder = subprocess.Popen(
        ["unshare", "--mount", "sh", "-c", _HOLD.format(where=where, backing=backing)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "mounted\n"
        yield Disk(holder.pid, where / "disk")
    finally:
        holder.communicate()


def fill(path: Path) -> None:
    """Take all the room there is."""
    with open(path, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
