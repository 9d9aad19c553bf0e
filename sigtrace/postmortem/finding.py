"""What a check finds: the cause, the evidence, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sigtrace.postmortem.event import Event

Severity = Literal["error", "warning", "notice"]
"""error: why the namespace hung, or hangs. warning: why the next stop will hang. notice: good to know."""

Confidence = Literal["certain", "likely", "possible"]

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "notice")
CONFIDENCES: tuple[Confidence, ...] = ("certain", "likely", "possible")


@dataclass(frozen=True)
class Finding:
    """One answer to "why?"."""

    cause: str
    """The slug of the cause: stable."""
    nsid: int
    severity: Severity
    confidence: Confidence
    summary: str
    """One sentence."""
    evidence: tuple[str, ...]
    """The very events and lines of snapshots, each as one line of text."""
    advice: str
    about: frozenset[int] = frozenset()
    """Numbers of the events it explains: a more specific cause that explains them too takes its place."""

    def as_dict(self) -> dict[str, object]:
        """For JSON Lines: stable keys; `Report.rows` adds whose namespace it is, and how it was stopped."""
        return {
            "cause": self.cause,
            "nsid": self.nsid,
            "severity": self.severity,
            "confidence": self.confidence,
            "summary": self.summary,
            "evidence": list(self.evidence),
            "advice": self.advice,
        }


def numbers(*events: Event) -> frozenset[int]:
    """What `about` is made of."""
    return frozenset(event.number for event in events)
