"""Why did, or does, this container not stop? A case, its timeline, and a check for every known cause."""

from __future__ import annotations

from sigtrace.postmortem.case import Case, Scene, last_stop, stops
from sigtrace.postmortem.cause import Cause
from sigtrace.postmortem.causes import all_causes
from sigtrace.postmortem.finding import Finding
from sigtrace.postmortem.runner import Report, diagnose
from sigtrace.postmortem.stop import Stop

__all__ = [
    "Case",
    "Cause",
    "Finding",
    "Report",
    "Scene",
    "Stop",
    "all_causes",
    "diagnose",
    "last_stop",
    "stops",
]
