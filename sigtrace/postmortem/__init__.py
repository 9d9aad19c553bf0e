"""Why did, or does, this container not stop? A case, its timeline, and a check for every known cause."""

from __future__ import annotations

from sigtrace.postmortem.case import Case, Episode, Scene
from sigtrace.postmortem.cause import Cause, all_causes
from sigtrace.postmortem.finding import Finding
from sigtrace.postmortem.runner import Report, diagnose

__all__ = ["Case", "Cause", "Episode", "Finding", "Report", "Scene", "all_causes", "diagnose"]
