"""Which of the namespaces a container had, one each time it ran, a postmortem is of; and how to ask for another."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from sigtrace.clock import TICK_NS, iso
from sigtrace.postmortem.from_recording import Place, all_recorded
from sigtrace.postmortem.runner import diagnose
from sigtrace.postmortem.stop import last_stop

if TYPE_CHECKING:
    from sigtrace.postmortem.case import Case
    from sigtrace.recording import Recording

_MOST = 8


def telling(recording: Recording, places: Sequence[Place]) -> Place:
    """The last of these that was asked to stop or has findings; the very last where none was and none has.

    places: at least one, in the order of time.
    """
    if len(places) == 1:
        return places[0]
    cases = {
        (each.nsid, int(each.batch.records["ns_start"][-1]) // TICK_NS): each
        for each in all_recorded(recording, places=places)
    }
    found = ((place, cases.get((place.nsid, place.ns_start // TICK_NS))) for place in reversed(places))
    return next((place for place, case in found if case and _tells(case)), places[-1])


def _tells(case: Case) -> bool:
    grave = (finding for finding in diagnose(case).findings if finding.severity != "notice")
    return last_stop(case) is not None or any(grave)


def others(places: Sequence[Place], shown: Place) -> Iterator[str]:
    """For each but the one that is shown, the last first: by which `--at` to ask for it, and when it started.

    Each is best asked for as it was when the next one started: by then all had happened.
    """
    ends = [after.born - 1 for _, after in pairwise(places)] + [time.time_ns()]
    known = [each for each in zip(places, ends, strict=True) if each[0] != shown and each[0].born < each[1]]
    for place, end in known[: -_MOST - 1 : -1]:
        yield f"  --at {iso(end)} (started {iso(place.born) if place.born else 'before the recording'})"
    if len(known) > _MOST:
        yield f"  and {len(known) - _MOST} before these"
