"""Changes of an input at random: cut, overwritten, repeated, joined with bytes that have a meaning somewhere."""

from __future__ import annotations

import random
from collections.abc import Sequence

TOKENS = (
    b"\0", b"\n", b"\r", b"/", b"..", b":", b"=", b"(", b")", b"-", b"\xff\xfe", b"\x1b[2J", b"\xe2\x80\xae",
    b" (deleted)",
    b"\\x2f", b"\\012", b"{", b"[" * 2000, b'{"a":' * 2000, b"9" * 5000, b"1e999", b"NaN", b"\\ud800", b"null",
    b"\0\0\0\0\0\0\0\x40", b"\xff" * 8, b"\x01\0\0\0", b"\0\0\0\x80",
)  # fmt: skip


def with_tokens(inputs: Sequence[bytes]) -> list[bytes]:
    """Return each of the inputs with each of TOKENS at the begin, in the middle and at the end."""
    places = [(raw, at) for raw in inputs for at in (0, len(raw) // 2, len(raw))]
    return [raw[:at] + token + raw[at:] for raw, at in places for token in TOKENS]


def changed(raw: bytes, chance: random.Random) -> bytes:
    """Return the input with one to eight changes."""
    out = bytearray(raw)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        place = chance.randrange(len(out) + 1)
        kind = chance.randrange(7)
        if kind == 0:
            del out[place:]
        elif kind == 1:
            del out[place : place + chance.randrange(1, 64)]
        elif kind == 2:
            out[place:place] = chance.choice(TOKENS)
        elif kind == 3 and place < len(out):
            out[place] = chance.randrange(256)
        elif kind == 4 and place < len(out):
            out[place] ^= 1 << chance.randrange(8)
        elif kind == 5:
            token = chance.choice(TOKENS)
            out[place : place + len(token)] = token
        else:
            out[place:place] = out[place : place + chance.randrange(1, 64)]
    return bytes(out)
