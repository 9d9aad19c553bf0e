"""What a check finds: the cause, the evidence, and the advice."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sigtrace.postmortem.event import Event
from sigtrace.postmortem.period import Period

Severity = Literal["error", "warning", "notice"]
"""error: the namespace hung, or hangs, because of it. warning: the next stop will hang, or it was slow because of
it. notice: for information."""

Confidence = Literal["certain", "likely", "possible"]

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "notice")
CONFIDENCES: tuple[Confidence, ...] = ("certain", "likely", "possible")


@dataclass(frozen=True)
class Finding:
    """One cause, found in one namespace."""

    cause: str
    """The slug of the cause, which is stable."""
    nsid: int
    severity: Severity
    confidence: Confidence
    summary: str
    """One sentence."""
    evidence: tuple[str, ...]
    """Events and facts of snapshots, each as one line of text."""
    advice: str
    about: frozenset[int] = frozenset()
    """Numbers of the events that it explains; a finding of a more specific cause about all of them replaces it."""
    path: tuple[str, ...] = ()
    """The processes that the request went through, as `app[4242]`: the init first, the one that it is about last.

    Empty if it is about the init, or the namespace.
    """
    period: Period | None = field(default=None, repr=False)
    """The time of the state that it is about; None if it is not about a state."""

    @property
    def first_step(self) -> str:
        """The first thing that the advice names: where there is room for one line only."""
        return self.advice.partition("; ")[0]

    @property
    def past(self) -> bool:
        """Whether it is about a state that is known to be over."""
        return self.period is not None and self.period.past

    def as_dict(self) -> dict[str, object]:
        """Return it for JSON Lines, with stable keys; `Report.rows` adds the container and the stop."""
        return {
            "cause": self.cause,
            "nsid": self.nsid,
            "severity": self.severity,
            "confidence": self.confidence,
            "past": self.past,
            "summary": self.summary,
            "evidence": list(self.evidence),
            "advice": self.advice,
            "path": list(self.path),
        }


def numbers(*events: Event) -> frozenset[int]:
    """Return the numbers of events, for `Finding.about`."""
    return frozenset(event.number for event in events)
