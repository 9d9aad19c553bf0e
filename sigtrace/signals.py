"""Signal numbers and names, and the kernel's default actions.

Numbers are those of x86 and arm64 (`include/uapi/asm-generic/signal.h`); real-time names count from
glibc's SIGRTMIN (34), as `kill -l` and systemd do. The default actions are the kernel's masks of
`include/linux/signal.h` (SIG_KERNEL_ONLY_MASK, SIG_KERNEL_IGNORE_MASK, ...) and `signal(7)`.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType
from typing import Literal

from sigtrace.errors import BadInput

HUP, INT, QUIT, ILL, TRAP, ABRT, BUS, FPE, KILL, USR1, SEGV, USR2, PIPE, ALRM, TERM, STKFLT = range(1, 17)
CHLD, CONT, STOP, TSTP, TTIN, TTOU, URG, XCPU, XFSZ, VTALRM, PROF, WINCH, IO, PWR, SYS = range(17, 32)
_STANDARD = (
    "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT "
    "CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS"
).split()
"""The names of the standard signals, in the order of their numbers."""
_ALIASES = {"IOT": ABRT, "CLD": CHLD, "POLL": IO, "UNUSED": SYS}

KERNEL_SIGRTMIN = 32
"""The kernel's SIGRTMIN: from here on each instance is queued; below, at most one instance is pending."""
SIGRTMIN, SIGRTMAX = 34, 64
"""glibc's real-time range, without the first two signals of the kernel's range."""
OF_THREADS = (32, 33)
"""The two real-time signals that glibc uses for threads: SIGCANCEL and SIGSETXID."""

DefaultAction = Literal["terminate", "core", "stop", "continue", "ignore"]


def mask(numbers: Iterable[int]) -> int:
    """Return a set of signals as a mask, as in /proc/PID/status: bit n-1 for signal n."""
    out = 0
    for number in numbers:
        out |= 1 << (number - 1)
    return out


def members(bits: int) -> list[int]:
    """Return the signals of a mask, ascending: the inverse of `mask`."""
    return [number for number in range(1, SIGRTMAX + 1) if has(bits, number)]


def has(bits: int, signal: int) -> bool:
    """Whether a mask contains the signal; False for 0, which is not a signal."""
    return bool(bits << 1 >> signal & 1)


def _names() -> dict[int, str]:
    names = {number: f"SIG{name}" for number, name in enumerate(_STANDARD, 1)}
    names |= {number: f"SIG{number}" for number in OF_THREADS}
    names |= {number: f"SIGRTMIN+{number - SIGRTMIN}" for number in range(SIGRTMIN, SIGRTMAX + 1)}
    return names | {SIGRTMIN: "SIGRTMIN"}


NAMES = MappingProxyType(_names())
"""Number -> canonical name, for 1..64."""

KERNEL_ONLY = mask((KILL, STOP))
"""SIGKILL and SIGSTOP (sig_kernel_only()): no handler can be set; an ancestor's are forced on an init."""

DEFAULT_IGNORED = mask((CHLD, CONT, URG, WINCH))
"""SIGCHLD, SIGCONT, SIGURG, SIGWINCH: their default action is to do nothing. SIGCONT also resumes a stopped target."""

STOP_REQUESTS = mask((HUP, INT, QUIT, TERM, PWR, *range(SIGRTMIN + 3, SIGRTMIN + 7)))
"""The signals that ask an init to end: HUP, INT, QUIT, TERM, PWR, and systemd's RTMIN+3 to +6 (halt, poweroff, reboot,
kexec)."""

_STOP = mask((STOP, TSTP, TTIN, TTOU))
_CORE = mask((QUIT, ILL, TRAP, ABRT, BUS, FPE, SEGV, XCPU, XFSZ, SYS))


def name(number: int) -> str:
    """Return the name of a signal: `SIGTERM`, `SIGRTMIN+3`; for 0 the empty string, for others `signal#77`."""
    return "" if number == 0 else NAMES.get(number, f"signal#{number}")


def default_action(number: int) -> DefaultAction:
    """Return the default action of a signal (signal(7), "Standard signals")."""
    if number == CONT:
        return "continue"
    if has(DEFAULT_IGNORED, number):
        return "ignore"
    if has(_STOP, number):
        return "stop"
    return "core" if has(_CORE, number) else "terminate"


_LONGEST = 20
"""Digits of a number, also with zeros before it. int() refuses those of over 4,300."""


def parse(text: str) -> int:
    """Return the number of a signal written `TERM`, `SIGTERM`, `sigterm`, `15`, `RTMIN+3` or `SIGRTMAX-1`.

    Raises BadInput, with the nearest name, for anything else.
    """
    word = text.strip().upper()
    if word.isascii() and word.isdigit() and len(word) <= _LONGEST and 1 <= int(word) <= SIGRTMAX:
        return int(word)
    known = {name.removeprefix("SIG"): number for number, name in NAMES.items()} | _ALIASES
    known |= {f"RTMAX-{SIGRTMAX - number}": number for number in range(SIGRTMIN, SIGRTMAX)}
    known |= {"RTMAX": SIGRTMAX, "RTMIN+0": SIGRTMIN, "RTMAX-0": SIGRTMAX}
    bare = word.removeprefix("SIG")
    if bare in known and not bare.isdigit():
        return known[bare]
    import difflib

    near = difflib.get_close_matches(bare, known, n=1)
    hint = f"did you mean {near[0]}?" if near else "use a name such as TERM or a number from 1 to 64."
    raise BadInput(f"unknown signal {text!r}: {hint}")
