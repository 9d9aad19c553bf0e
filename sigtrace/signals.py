"""Signal numbers and names, and what the kernel does with a signal nobody handles.

Numbers are those of x86 and arm64 (`include/uapi/asm-generic/signal.h`); real-time names count from
glibc's SIGRTMIN (34), as `kill -l` and systemd do. The default actions are the kernel's masks of
`include/linux/signal.h` (SIG_KERNEL_ONLY_MASK, SIG_KERNEL_IGNORE_MASK, ...) and `signal(7)`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from types import MappingProxyType
from typing import Literal

from sigtrace.errors import BadInput

_STANDARD = tuple(
    # 1 to 31, in order
    (
        "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT "
        "CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS"
    ).split()
)
_ALIASES = {"IOT": 6, "CLD": 17, "POLL": 29, "UNUSED": 31}

SIGRTMIN, SIGRTMAX = 34, 64
"""glibc's real-time range. 32 and 33 are the thread library's own; the kernel's SIGRTMIN is 32."""

DefaultAction = Literal["terminate", "core", "stop", "continue", "ignore"]


def mask(numbers: Iterable[int]) -> int:
    """The set as /proc/PID/status writes one: bit n-1 for signal n."""
    out = 0
    for number in numbers:
        out |= 1 << (number - 1)
    return out


def members(bits: int) -> list[int]:
    """The signals of a mask, ascending: the inverse of `mask`."""
    return [number for number in range(1, 65) if bits >> (number - 1) & 1]


def _names() -> dict[int, str]:
    names = {number: f"SIG{name}" for number, name in enumerate(_STANDARD, 1)}
    names |= {32: "SIG32", 33: "SIG33", SIGRTMIN: "SIGRTMIN"}
    names |= {number: f"SIGRTMIN+{number - SIGRTMIN}" for number in range(SIGRTMIN + 1, SIGRTMAX + 1)}
    return names


NAMES = MappingProxyType(_names())
"""Number -> canonical name, for 1..64."""

KERNEL_ONLY = mask((9, 19))
"""SIGKILL and SIGSTOP: no handler can be set; only they can be forced on an init, and only from above."""

DEFAULT_IGNORED = mask((17, 18, 23, 28))
"""SIGCHLD, SIGCONT, SIGURG, SIGWINCH: their default action is to do nothing. SIGCONT also resumes a stopped target."""

STOP_REQUESTS = mask((1, 2, 3, 15, 30, *range(37, 41)))
"""What asks an init to end: HUP, INT, QUIT, TERM, PWR; RTMIN+3 to +6 are systemd's halt, poweroff, reboot, kexec."""

_STOP = mask((19, 20, 21, 22))
_CORE = mask((3, 4, 5, 6, 7, 8, 11, 24, 25, 31))


def name(number: int) -> str:
    """`15` -> `SIGTERM`, `37` -> `SIGRTMIN+3`; 0 -> the empty string; anything else -> `signal#77`."""
    return "" if number == 0 else NAMES.get(number, f"signal#{number}")


def default_action(number: int) -> DefaultAction:
    """What SIG_DFL means for this signal (signal(7), "Standard signals")."""
    bit = 1 << (number - 1)
    if number == 18:
        return "continue"
    if bit & DEFAULT_IGNORED:
        return "ignore"
    if bit & _STOP:
        return "stop"
    return "core" if bit & _CORE else "terminate"


def parse(text: str) -> int:
    """The number of a signal written `TERM`, `SIGTERM`, `sigterm`, `15`, `RTMIN+3` or `SIGRTMAX-1`.

    Raises BadInput, with the nearest name, for anything else.
    """
    word = text.strip().upper()
    if word.isascii() and word.isdigit() and 1 <= int(word) <= SIGRTMAX:
        return int(word)
    known = {name.removeprefix("SIG"): number for number, name in NAMES.items()} | _ALIASES
    known |= {f"RTMAX-{SIGRTMAX - number}": number for number in range(SIGRTMIN, SIGRTMAX)}
    known |= {"RTMAX": SIGRTMAX, "RTMIN+0": SIGRTMIN, "RTMAX-0": SIGRTMAX}
    bare = word.removeprefix("SIG")
    if bare in known and not bare.isdigit():
        return known[bare]
    near = difflib.get_close_matches(bare, known, n=1)
    hint = f"did you mean {near[0]}?" if near else "use a name such as TERM or a number from 1 to 64."
    raise BadInput(f"unknown signal {text!r}: {hint}")
