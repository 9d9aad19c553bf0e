"""The part of protobuf's encoding that a trace needs (protobuf.dev/programming-guides/encoding)."""

from __future__ import annotations

from functools import lru_cache

_VARINT, _FIXED64, _BYTES = 0, 1, 2
_ONE_BYTE = tuple(bytes([number]) for number in range(0x80))


def varint(number: int) -> bytes:
    """Encode a number below 2**64, seven bits per byte."""
    if number <= 0x7F:
        return _ONE_BYTE[number]
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def integer(field: int, value: int) -> bytes:
    """Encode a field of type int32, int64, uint32, uint64, bool or enum."""
    return varint(field << 3 | _VARINT) + varint(value & (1 << 64) - 1)


def fixed64(field: int, value: int) -> bytes:
    """Encode a field of type fixed64."""
    return varint(field << 3 | _FIXED64) + value.to_bytes(8, "little")


def nested(field: int, *parts: bytes) -> bytes:
    """Encode a field of type bytes, or a message that consists of these fields."""
    data = b"".join(parts)
    return varint(field << 3 | _BYTES) + varint(len(data)) + data


@lru_cache(maxsize=1 << 14)
def text(field: int, value: str) -> bytes:
    """Encode a field of type string. Results are cached: most texts of a trace occur many times."""
    return nested(field, value.encode("utf-8", "backslashreplace"))
