"""The words for the outcome of a signal or a process, and its mark in charts. This is their only definition.

Tables show the label, timelines the sentence, and charts the kind: its words in the legend, and its glyph.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from sigtrace import signals


class Kind(NamedTuple):
    """A kind of mark in a chart."""

    words: str
    """Its text in the legend."""
    glyph: str
    """An SVG path between -1 and 1."""
    colour: str
    """It has contrast on a light and on a dark ground."""
    filled: bool = False
    faint: bool = False
    """It is background: small and pale, and never labelled."""


VERMILLION, BLUE, GREEN, PURPLE, GREY = "#D55E00", "#0072B2", "#009E73", "#B25E95", "#808080"
"""The colours of Okabe and Ito's palette for the colour-blind that have contrast on light and on dark backgrounds."""
VIOLET, ROSE = "#7E6BC4", "#D6336C"
"""Two more, with the same contrast."""


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "dropped": Kind("dropped as it was sent", "M-.8-.8L.8.8M.8-.8L-.8.8", VERMILLION),
        "late": Kind("dropped at delivery", "M0-1.1V1.1M-1.1,0H1.1", VIOLET),
        "ignored": Kind(
            "ignored by the program", "M.9,0A.9,.9,0,1,1,-.9,0A.9,.9,0,1,1,.9,0ZM-.64,.64L.64-.64", ROSE
        ),
        "kill": Kind("SIGKILL", "M0-1.2L1,0L0,1.2L-1,0Z", PURPLE, filled=True),
        "handled": Kind("handled", "M.8,0A.8,.8,0,1,1,-.8,0A.8,.8,0,1,1,.8,0Z", GREEN, filled=True),
        "acted": Kind("default action", "M0-.85L.85,0L0,.85L-.85,0Z", PURPLE),
        "exited": Kind("exited", "M-.85-.85H.85V.85H-.85Z", PURPLE),
        "sent": Kind("queued", "M-.8-.7H.8L0,.8Z", BLUE),
        "born": Kind("born, or a new program", "M0-.9L.9,.8H-.9Z", GREY),
        "other": Kind("no effect", "M-.8,0H.8", GREY),
        "nothing": Kind("ignored by default", "M-.4,0H.4", GREY, faint=True),
    }
)
"""The kinds of marks, the most important first."""

DROPPED_KINDS = ("dropped", "late")
"""The kinds of the two verdicts of `verdict.DROPPED`, in the same order."""


class Outcome(NamedTuple):
    """The words for one outcome."""

    label: str
    """Its name in a narrow column: 19 characters at most."""
    sentence: str
    """The reason, in one sentence."""
    kind: str = "other"
    """The kind of its mark, one of KINDS."""


OUTCOMES: Mapping[str, Outcome] = MappingProxyType(
    {
        "unknown": Outcome("unknown", "no rule of sigtrace covers these facts"),
        "dropped_at_generate": Outcome(
            "dropped: no handler", "the init has no handler for it: discarded as it was sent", "dropped"
        ),
        "dropped_at_deliver": Outcome(
            "dropped: late",
            "it was pending, but the init has no handler for it: discarded at delivery",
            "late",
        ),
        "ignored": Outcome("ignored: SIG_IGN", "the program ignores this signal", "ignored"),
        "resumes": Outcome(
            "resumes if stopped", "it resumes a target that is stopped, and does nothing else"
        ),
        "default_ignored": Outcome(
            "ignored: default", "doing nothing is this signal's default action", "nothing"
        ),
        "dying": Outcome("target is dying", "the target is exiting already"),
        "kernel_thread": Outcome("kernel thread", "kernel threads take no signals"),
        "coalesced": Outcome("already pending", "one like it is pending already: they become one", "sent"),
        "overflowed": Outcome("queue full: EAGAIN", "the real-time queue is full: the sender got EAGAIN"),
        "queued": Outcome("queued", "pending until a thread of the target takes it", "sent"),
        "handled": Outcome("handled", "the program's handler runs", "handled"),
        "default_action": Outcome(
            "default action", "the kernel carries out the signal's default action", "acted"
        ),
        "exited": Outcome("exited", "the process is gone", "exited"),
        "born": Outcome("born", "a new PID namespace has its init", "born"),
        "executed": Outcome("exec", "the init runs a new program; handlers are back to default", "born"),
    }
)
"""The outcomes by verdict, in the order of the codes; `sigtrace.events.verdict` has the rules."""

FROM_INSIDE = Outcome(
    "dropped: from inside",
    "from inside, where it does not act on an init: discarded as it was sent",
    "dropped",
)
"""Replaces `dropped_at_generate` for SIGKILL and SIGSTOP, for which no handler can be set."""

_PAST: Mapping[str, str] = MappingProxyType(
    {
        "dropped_at_generate": "DROPPED by the kernel: an init, and no handler for it",
        "handled": "delivered, and its handler ran",
        "default_action": "delivered, and acted",
    }
)


def of(verdict: str, signal: int) -> Outcome:
    """Return the outcome of a signal."""
    if verdict == "dropped_at_generate" and signals.has(signals.KERNEL_ONLY, signal):
        return FROM_INSIDE
    return OUTCOMES[verdict]


SENT: Mapping[str, str] = MappingProxyType(
    {
        **{"cgroup_kill": "cgroup.kill", "parent_death": "parent died", "ptrace_kill": "PTRACE_KILL"},
        **{"reboot": "reboot(2)", "hangup": "hang-up", "key": "key", "resize": "resize"},
        "forged": "forged code",
    }
)
"""How a signal was sent, by its origin (`sigtrace.events.origin`): 11 characters at most."""


def label(verdict: str, signal: int, origin: str = "") -> str:
    """Return the outcome of a signal in a few words: 20 characters at most; of a queued one, how it was sent too."""
    words = of(verdict, signal).label
    return f"{words}: {SENT[origin]}" if verdict == "queued" and origin in SENT else words


def fate(verdict: str, signal: int, origin: str = "") -> str:
    """Return what finally became of a signal in a few words: 20 characters at most.

    `queued`: no delivery was reported by the end. SIGKILL ends its target as it is queued, whatever is delivered.
    """
    if signal == signals.KILL and verdict == "default_action":
        return f"killed: {SENT[origin]}" if origin in SENT else "killed"
    return "pending or fetched" if verdict == "queued" else label(verdict, signal, origin)


def past(verdict: str) -> str:
    """Return the outcome in the past tense, for an account after the fact."""
    return _PAST.get(verdict, OUTCOMES[verdict].label)


def kind(verdict: str, signal: int) -> str:
    """Return the kind of the mark; a SIGKILL that is queued has its own."""
    found = of(verdict, signal).kind
    return "kill" if verdict in ("queued", "coalesced") and signal == signals.KILL else found


def asked(verdict: str, signal: int) -> str:
    """Return the signal that asked a namespace to stop, and what became of it: `SIGTERM dropped as it was sent`."""
    name, words = signals.name(signal), KINDS[kind(verdict, signal)].words
    return name if words == name else f"{name} {words}"


def grace(lasted: str, given: bool) -> str:
    """Return the time until the SIGKILL in words; given: it came from whoever asked before."""
    return f"grace period, {lasted}" if given else f"{lasted} until SIGKILL"


def ended(code: int, by: int) -> str:
    """Return how a process ended: `killed by SIGKILL`, `exited with code 0`; by: the signal that killed it, or 0."""
    return f"killed by {signals.name(by)}" if by else f"exited with code {code}"


def ends(code: int, by: int) -> str:
    """Return the same in the present tense: `is killed by SIGKILL`, `exits with code 0`."""
    return f"is killed by {signals.name(by)}" if by else f"exits with code {code}"
