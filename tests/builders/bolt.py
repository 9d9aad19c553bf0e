"""A bbolt database of two pages that count: the newest meta page, and the root, a branch that leads where one likes."""

from __future__ import annotations

import struct

PAGE = 4096


def database(child: int, overflow: int = 0, count: int = 1) -> bytes:
    """Make the file. child: page number in the root; overflow, count: what the root says of its own size."""
    body = struct.pack("=IIIIQQQQQ", 0xED0CDAED, 2, PAGE, 0, 3, 0, 2, 4, 1)
    meta = struct.pack("=QHHI", 0, 4, 0, 0) + body + struct.pack("=Q", _checksum(body))
    branch = struct.pack("=QHHI", 3, 1, count, overflow) + struct.pack("=IIQ", 16, 1, child) + b"a"
    return meta.ljust(3 * PAGE, b"\0") + branch.ljust(PAGE, b"\0")


def _checksum(body: bytes) -> int:
    """FNV-1a of 64 bits."""
    value = 0xCBF29CE484222325
    for byte in body:
        value = (value ^ byte) * 0x100000001B3 % (1 << 64)
    return value
