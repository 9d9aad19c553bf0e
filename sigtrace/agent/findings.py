"""What is worth telling somebody: pure functions from facts to findings, with the cause and what to do.

The alert rules of deploy/prometheus say the same from metrics; this is for hosts without Prometheus.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sigtrace import signals
from sigtrace.agent.forecast import Outlook
from sigtrace.agent.metrics import asked_by
from sigtrace.events.container import COLUMNS, Container
from sigtrace.events.nskey import NsKey
from sigtrace.stops.attempt import Attempt
from sigtrace.text import printable
from sigtrace.units import SECOND, duration

DROPPED_AFTER = 2.0
"""Seconds after which an init that dropped its stop signal, and is still there, is told of."""
HANGS_AFTER = 60.0
"""The same for one that got the signal."""
STUCK_AFTER = 120.0
"""Seconds without a living init after which a namespace is told of."""
_LITERAL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]*", re.ASCII)
"""Words that a shell takes literally, and that are no option."""


@dataclass(frozen=True)
class Finding:
    """Something that is wrong now. `kind` and `key` identify it: it is told once, and once when it is over."""

    kind: str
    """stop-signal-dropped, stop-hangs or namespace-stuck."""
    key: NsKey
    since: float
    """Seconds since 1970."""
    container: Container | None
    summary: str
    cause: str
    advice: str
    signal: str = ""
    asked_by: str = ""

    @property
    def identity(self) -> tuple[str, NsKey, float]:
        """What makes it this finding, and not another of its kind."""
        return self.kind, self.key, self.since

    def as_dict(self) -> dict[str, object]:
        """Return the finding for JSON, with stable keys: those of docs/agent.md."""
        known = self.container.columns if self.container else ("",) * len(COLUMNS)
        return {
            "finding": self.kind,
            "nsid": self.key.inode,
            "since": self.since,
            "signal": self.signal,
            "asked_by": self.asked_by,
            "summary": self.summary,
            "cause": self.cause,
            "advice": self.advice,
            **dict(zip(COLUMNS, known, strict=True)),
        }


def findings(
    pending: Sequence[Attempt], outlooks: Sequence[Outlook], ending_since: dict[NsKey, float], now: float
) -> Iterator[Finding]:
    """Yield what is wrong at the time `now` (s since 1970): of stops that are pending, and of the last scan."""
    for attempt in pending:
        waited = now - attempt.asked / SECOND
        if attempt.dropped and waited >= DROPPED_AFTER:
            yield _dropped(attempt)
        elif not attempt.dropped and waited >= HANGS_AFTER:
            yield _hangs(attempt, waited)
    for outlook in outlooks:
        since = ending_since.get(outlook.key)
        if outlook.ending and since is not None and now - since >= STUCK_AFTER:
            yield _stuck(outlook, since)


def _dropped(attempt: Attempt) -> Finding:
    name, who, word = signals.name(attempt.signal), *_called(attempt.container, attempt.key)
    return Finding(
        "stop-signal-dropped",
        attempt.key,
        attempt.asked / SECOND,
        attempt.container,
        f"{who} does not stop: the kernel dropped {name}",
        f"Its PID 1 has no handler for {name}: the kernel discards it, and tells the sender that all went well. "
        "It waits for SIGKILL.",
        f"`sigtrace explain {word}` says how to fix it",
        name,
        asked_by(attempt.asker),
    )


def _hangs(attempt: Attempt, waited: float) -> Finding:
    name, who, word = signals.name(attempt.signal), *_called(attempt.container, attempt.key)
    return Finding(
        "stop-hangs",
        attempt.key,
        attempt.asked / SECOND,
        attempt.container,
        f"{who} was asked to stop by {name} {duration(waited * SECOND)} ago, and is still there",
        "Its PID 1 got the signal, and has not ended.",
        f"`sigtrace postmortem {word}` says what it waits for",
        name,
        asked_by(attempt.asker),
    )


def _stuck(outlook: Outlook, since: float) -> Finding:
    who, _ = _called(outlook.container, outlook.key)
    return Finding(
        "namespace-stuck",
        outlook.key,
        since,
        outlook.container,
        f"{who} has lost its PID 1, and cannot end",
        "A process in it does not go away, or a parent outside does not reap it: SIGKILL does not help.",
        f"`sigtrace postmortem --ns {outlook.key.inode}` names the process, and what it waits for",
    )


def _called(container: Container | None, key: NsKey) -> tuple[str, str]:
    """Return what it is called in a sentence, and the word for it on a command line."""
    if container is None:
        return f"PID namespace {key.inode}", str(key.inode)
    label = printable(container.label)
    return label, label if _LITERAL.fullmatch(label) else str(key.inode)
