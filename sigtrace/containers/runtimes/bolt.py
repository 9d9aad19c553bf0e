"""Look one key up in a bbolt database while its owner writes to it: the state of podman and containerd.

The file is a tree of pages that are not changed in place (bbolt, db.go, page.go, node.go): a transaction writes new
pages, then one of two meta pages. So read the newest meta page, walk down from it, and start again if it is no longer
the newest by then. No lock is taken: it could block the owner. Native byte order, that of the host that wrote it.
"""

from __future__ import annotations

import os
import struct

_MAGIC, _VERSION = 0xED0CDAED, 2
_META, _BRANCH, _LEAF = 0x04, 0x01, 0x02
_BUCKET = 0x01
_PAGE = struct.Struct("=QHHI")
_META_BODY = struct.Struct("=IIIIQQQQQQ")
"""magic, version, page size, flags; root page and sequence; freelist, pages, transaction, checksum."""
_BRANCH_ELEMENT = struct.Struct("=IIQ")
_LEAF_ELEMENT = struct.Struct("=IIII")
_BUCKET_HEADER = struct.Struct("=QQ")
_PAGE_SIZES = (4096, 8192, 16384, 32768, 65536)
_MAX_DEPTH, _TRIES = 32, 3
_MOST = 16 << 20
"""Bytes of pages that one search reads at most: pages that lead in a circle, or claim to be long, end it."""


def get(fd: int, *path: str) -> bytes | None:
    """Return the value of the last key of `path`, in the nested buckets that the others name; None if not found.

    None also if the file is damaged. Raises OSError if it cannot be read.
    """
    try:
        return _search(_Pages(fd), [key.encode() for key in path])
    except (ValueError, struct.error):
        return None


def _search(pages: _Pages, path: list[bytes]) -> bytes | None:
    for _ in range(_TRIES):
        pages.size, root, transaction = _newest_meta(pages.fd)
        value = _walk(pages, root, path)
        if _newest_meta(pages.fd)[2] == transaction:
            return value
    return None


class _Pages:
    """The pages of a file, of which at most _MOST bytes are read. Raises ValueError for a page that is not there."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.size = 0
        """Bytes of a page."""
        self._length = os.fstat(fd).st_size
        self._left = _MOST

    def read(self, number: int) -> bytes:
        """Read a page, with those that it overflows into. A page's number is whatever the file says."""
        raw = self._bytes(number * self.size, self.size)
        more = _PAGE.unpack_from(raw)[3]
        return self._bytes(number * self.size, (more + 1) * self.size) if more else raw

    def _bytes(self, start: int, length: int) -> bytes:
        self._left -= length
        if self._left < 0 or start + length > self._length:
            raise ValueError("no such page")
        return os.pread(self.fd, length, start)


def _newest_meta(fd: int) -> tuple[int, int, int]:
    """Return page size, root page and transaction of the newest valid meta page. Raises ValueError if there is none."""
    found = []
    for size in _PAGE_SIZES:
        for offset in (0, size):
            raw = os.pread(fd, _PAGE.size + _META_BODY.size, offset)
            if len(raw) < _PAGE.size + _META_BODY.size or not _PAGE.unpack_from(raw)[1] & _META:
                continue
            magic, version, page_size, _, root, _, _, _, transaction, checksum = _META_BODY.unpack_from(
                raw, _PAGE.size
            )
            sound = checksum == _fnv1a(raw[_PAGE.size : _PAGE.size + _META_BODY.size - 8])
            if (magic, version, page_size) == (_MAGIC, _VERSION, size) and sound:
                found.append((transaction, size, root))
        if found:
            newest = max(found)
            return newest[1], newest[2], newest[0]
    raise ValueError("no meta page")


def _walk(pages: _Pages, root: int, path: list[bytes]) -> bytes | None:
    inline = b""
    for index, key in enumerate(path):
        found = _in_bucket(pages, root, inline, key)
        last = index == len(path) - 1
        if found is None or bool(found[0] & _BUCKET) == last:
            return None
        if last:
            return found[1]
        root, inline = _BUCKET_HEADER.unpack_from(found[1])[0], found[1][_BUCKET_HEADER.size :]
    return None


def _in_bucket(pages: _Pages, root: int, inline: bytes, key: bytes) -> tuple[int, bytes] | None:
    """Return flags and value of a key. A small bucket is inline: one page inside its parent's value (root is 0)."""
    page = inline if root == 0 else pages.read(root)
    for _ in range(_MAX_DEPTH):
        _, flags, count, _ = _PAGE.unpack_from(page)
        if flags & _LEAF:
            return _in_leaf(page, count, key)
        if not flags & _BRANCH:
            break
        page = pages.read(_child(page, count, key))
    return None


def _child(page: bytes, count: int, key: bytes) -> int:
    """Return the child page that may contain the key: the last whose first key is not greater."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        start = _PAGE.size + middle * _BRANCH_ELEMENT.size
        position, length, _ = _BRANCH_ELEMENT.unpack_from(page, start)
        low, high = (
            (middle + 1, high) if page[start + position : start + position + length] <= key else (low, middle)
        )
    number: int = _BRANCH_ELEMENT.unpack_from(page, _PAGE.size + max(low - 1, 0) * _BRANCH_ELEMENT.size)[2]
    return number


def _in_leaf(page: bytes, count: int, key: bytes) -> tuple[int, bytes] | None:
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        start = _PAGE.size + middle * _LEAF_ELEMENT.size
        flags, position, length, value = _LEAF_ELEMENT.unpack_from(page, start)
        begin = start + position
        here = page[begin : begin + length]
        if here == key:
            return flags, page[begin + length : begin + length + value]
        low, high = (middle + 1, high) if here < key else (low, middle)
    return None


def _fnv1a(raw: bytes) -> int:
    value = 0xCBF29CE484222325
    for byte in raw:
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value
