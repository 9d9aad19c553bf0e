"""Explains why a container did not stop, or does not: a case, its timeline, and a check for each known cause.

    sigtrace.open("/var/tmp/signals").postmortem(container="web-1")  # from a recording
    sigtrace.postmortem.live(container="web-1")                      # of this host, as it is now

Both return a `Report`, which a notebook displays: its `findings`, each with `cause`, `summary`, `evidence` and
`advice`, and the causes that were ruled out. `postmortems` returns a table of all namespaces of a recording.
"""

from __future__ import annotations

from sigtrace.postmortem.case import Case, Window, last_stop, stops
from sigtrace.postmortem.cause import Cause
from sigtrace.postmortem.causes import all_causes
from sigtrace.postmortem.diagnosis import live, postmortem, postmortems
from sigtrace.postmortem.finding import Finding
from sigtrace.postmortem.runner import Report, diagnose
from sigtrace.postmortem.stop import Stop

__all__ = [
    "Case",
    "Cause",
    "Finding",
    "Report",
    "Stop",
    "Window",
    "all_causes",
    "diagnose",
    "last_stop",
    "live",
    "postmortem",
    "postmortems",
    "stops",
]
