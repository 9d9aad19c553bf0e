"""Disk images, made without a loop device or a mount."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

ROOT = "51675465-01"
"""PARTUUID of the root partition: the order in which NVMe disks are found differs from boot to boot."""

_MIB = 1 << 20


def partitioned(tree: Path, image: Path) -> None:
    """Make a disk with one partition, ROOT, that has the tree's files."""
    size = used(tree) * 11 // 10 + 96
    new = image.with_suffix(".new")
    with new.open("wb") as file:
        file.write(_partition_table(size))
        file.truncate((size + 1) * _MIB)
    _mkfs(tree, new, "-O", "^has_journal,^metadata_csum", "-m", "0", "-E", f"offset={_MIB}", size=f"{size}M")
    new.rename(image)


def plain(tree: Path, image: Path, label: str) -> None:
    """Make a disk without partitions that has the tree's files."""
    image.write_bytes(b"")
    _mkfs(tree, image, "-L", label, size=f"{used(tree) * 11 // 10 + 16}M")


def used(tree: Path) -> int:
    """Return the MiB that the files of a tree take."""
    said = subprocess.run(["du", "-sm", str(tree)], capture_output=True, text=True, check=True).stdout
    return int(said.split()[0])


def _mkfs(tree: Path, image: Path, *options: str, size: str) -> None:
    subprocess.run(["mkfs.ext4", "-q", "-F", *options, "-d", str(tree), str(image), size], check=True)


def _partition_table(size: int) -> bytes:
    """An MBR whose only entry is a Linux partition of `size` MiB, from the first MiB on."""
    table = bytearray(512)
    table[440:444] = struct.pack("<I", int(ROOT.partition("-")[0], 16))
    table[446:462] = struct.pack("<B3sB3sII", 0, b"\0\x02\0", 0x83, b"\xff\xff\xff", 2048, size * 2048)
    table[510:] = b"\x55\xaa"
    return bytes(table)
