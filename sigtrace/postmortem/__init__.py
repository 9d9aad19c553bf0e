"""Why did, or does, this container not stop? A case, its timeline, and a check for every known cause.

    sigtrace.open("/var/tmp/signals").postmortem(container="web-1")  # of a recording
    sigtrace.postmortem.live(container="web-1")                      # of this host, as it is now

give a `Report`, which a notebook shows: `findings`, each with its `cause`, `summary`, `evidence` and `advice`, and what
was ruled out. `postmortems` has all of a recording as a table.
"""

from __future__ import annotations

from sigtrace.postmortem.case import Case, Scene, last_stop, stops
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
    "Scene",
    "Stop",
    "all_causes",
    "diagnose",
    "last_stop",
    "live",
    "postmortem",
    "postmortems",
    "stops",
]
