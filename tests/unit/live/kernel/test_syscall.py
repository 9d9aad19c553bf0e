"""What a refusal says."""

from __future__ import annotations

import errno
import os
import struct

import pytest

from sigtrace.errors import LoadRefused
from sigtrace.live.kernel import syscall
from sigtrace.live.kernel.syscall import reason

LOG = [
    "0: R1=ctx() R10=fp0",
    "0: (79) r7 = *(u64 *)(r1 +16)        ; R1=ctx() R7_w=trusted_ptr_task_struct()",
    "1: (61) r1 = *(u32 *)(r8 +8)",
    "R8 invalid mem access 'scalar'",
    *(f"verification time {number} usec" for number in range(30)),
]


def test_the_reason_of_the_verifier_is_shown_however_much_follows_it() -> None:
    assert reason(LOG)[:2] == LOG[2:4]
    assert len(reason(LOG)) == 12


def test_a_log_without_instructions_is_shown_from_its_end() -> None:
    assert reason([f"line {number}" for number in range(20)]) == [f"line {number}" for number in range(8, 20)]
    assert reason([]) == []


def _kernel(most: int):  # type: ignore[no-untyped-def]
    """A bpf(2) that permits maps of up to so many entries."""

    def bpf(command: int, attributes: bytes) -> tuple[int, bytes]:
        if struct.unpack_from("<I", attributes, 12)[0] > most:
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))
        return os.open("/dev/null", os.O_RDONLY), attributes

    return bpf


@pytest.mark.parametrize(
    ("most", "sentence"),
    [
        (8, "the limit of locked memory, .* is too low for the BPF map 'events'"),
        (0, "not permitted to trace"),
    ],
)
def test_too_little_locked_memory_is_told_from_missing_privileges(
    monkeypatch: pytest.MonkeyPatch, most: int, sentence: str
) -> None:
    monkeypatch.setattr(syscall, "bpf", _kernel(most))
    with pytest.raises(LoadRefused, match=sentence):
        syscall.map_create(syscall.MAP_RINGBUF, 0, 0, 1 << 20, "events")
