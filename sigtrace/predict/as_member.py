"""What a program loses when another init takes its place as PID 1: the signals that then end it."""

from __future__ import annotations

from sigtrace import signals
from sigtrace.signals import ALRM, HUP, INT, PIPE, QUIT, TERM, USR1, USR2

_USUAL = (HUP, INT, QUIT, USR1, USR2, PIPE, ALRM, TERM)
"""What users, terminals, log rotation and the kernel send. All end a process by default, but not an init."""


def newly_fatal(treated: int, signal: int = 0) -> list[int]:
    """Return the usual signals that an init survives for want of a handler, and that end it as a member.

    treated: the mask of those that it handles, ignores, blocks, or takes otherwise. signal: one that is left out, as it
    is meant to end it.
    """
    return [each for each in _USUAL if each != signal and not signals.has(treated, each)]


def warning(treated: int, signal: int) -> str:
    """Return in one sentence what else changes for a program behind a small init; empty if nothing."""
    names = [signals.name(each) for each in newly_fatal(treated, signal)]
    if not names:
        return ""
    listed = f"{', '.join(names[:-1])} and {names[-1]}" if names[1:] else names[0]
    ends = "which are dropped now, then end it" if names[1:] else "which is dropped now, then ends it"
    return f"behind a small init the program is not PID 1: {listed}, {ends} as well"
