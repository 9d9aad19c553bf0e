"""What a refusal says."""

from __future__ import annotations

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
