"""Chooses among the namespaces of a container, one for each time it ran, and lists the `--at` of the others."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from sigtrace.clock import iso
from sigtrace.postmortem.case import last_stop
from sigtrace.postmortem.from_recording import all_recorded
from sigtrace.postmortem.runner import diagnose

if TYPE_CHECKING:
    from sigtrace.postmortem.case import Case
    from sigtrace.recording.namespaces import RecordedNs
    from sigtrace.recording.reader import Recording

_MOST = 8


def most_relevant(recording: Recording, namespaces: Sequence[RecordedNs]) -> RecordedNs:
    """Return the last namespace that was asked to stop or has findings; the last of all if there is none.

    The last run of a container that was restarted is usually a healthy one. namespaces: at least one, in the order of
    time.
    """
    if len(namespaces) == 1:
        return namespaces[0]
    cases = {
        (each.host, each.key): each
        for each in all_recorded(recording, only={each.home for each in namespaces})
    }
    found = ((each, cases.get((each.home.host, each.key))) for each in reversed(namespaces))
    return next((each for each, case in found if case and _is_relevant(case)), namespaces[-1])


def _is_relevant(case: Case) -> bool:
    grave = (finding for finding in diagnose(case).findings if finding.severity != "notice")
    return last_stop(case) is not None or any(grave)


def others(namespaces: Sequence[RecordedNs], shown: RecordedNs) -> Iterator[str]:
    """Yield a line for each namespace but the one shown, the last first: its `--at`, and when it started.

    The `--at` of a namespace is just before the next one started: by then all its events had happened.
    """
    ends = [after.born - 1 for _, after in pairwise(namespaces)] + [time.time_ns()]
    known = [
        each for each in zip(namespaces, ends, strict=True) if each[0] != shown and each[0].born < each[1]
    ]
    for each, end in known[: -_MOST - 1 : -1]:
        yield f"  --at {iso(end)} (started {iso(each.born) if each.born else 'before the recording'})"
    if len(known) > _MOST:
        yield f"  and {len(known) - _MOST} before these"
