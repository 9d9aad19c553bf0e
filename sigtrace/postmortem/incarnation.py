"""Which of the namespaces a container had, one each time it ran, a postmortem is of; and how to ask for another."""

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


def telling(recording: Recording, namespaces: Sequence[RecordedNs]) -> RecordedNs:
    """The last of these that was asked to stop or has findings; the very last where none was and none has.

    namespaces: at least one, in the order of time.
    """
    if len(namespaces) == 1:
        return namespaces[0]
    cases = {
        (each.host, each.key): each
        for each in all_recorded(recording, only={each.home for each in namespaces})
    }
    found = ((each, cases.get((each.home.host, each.key))) for each in reversed(namespaces))
    return next((each for each, case in found if case and _tells(case)), namespaces[-1])


def _tells(case: Case) -> bool:
    grave = (finding for finding in diagnose(case).findings if finding.severity != "notice")
    return last_stop(case) is not None or any(grave)


def others(namespaces: Sequence[RecordedNs], shown: RecordedNs) -> Iterator[str]:
    """For each but the one that is shown, the last first: by which `--at` to ask for it, and when it started.

    Each is best asked for as it was when the next one started: by then all had happened.
    """
    ends = [after.born - 1 for _, after in pairwise(namespaces)] + [time.time_ns()]
    known = [
        each for each in zip(namespaces, ends, strict=True) if each[0] != shown and each[0].born < each[1]
    ]
    for each, end in known[: -_MOST - 1 : -1]:
        yield f"  --at {iso(end)} (started {iso(each.born) if each.born else 'before the recording'})"
    if len(known) > _MOST:
        yield f"  and {len(known) - _MOST} before these"
