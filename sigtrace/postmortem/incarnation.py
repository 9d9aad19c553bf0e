"""Chooses among the namespaces that one name stands for, and lists the `--at` of the others.

An inode, and the PID of an init, are used again; a container has a namespace for each time it ran.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from sigtrace.clock import iso
from sigtrace.postmortem.case import last_stop
from sigtrace.postmortem.from_recording import Lives, all_recorded
from sigtrace.postmortem.runner import diagnose
from sigtrace.recording.selection import named

if TYPE_CHECKING:
    from sigtrace.postmortem.case import Case
    from sigtrace.recording.namespaces import RecordedNs
    from sigtrace.recording.reader import Recording

_MOST = 8


@dataclass(frozen=True)
class Choice:
    """The namespaces that one name stands for, and those of them that are meant; both in the order of their births."""

    meant: tuple[RecordedNs, ...]
    """One on each host and boot that has any by the time that is asked about."""
    every: tuple[RecordedNs, ...]

    @property
    def one_inode(self) -> bool:
        """Whether all of them had the same inode."""
        return len({each.nsid for each in self.every}) == 1


def by_name(recording: Recording, name: str, at: int | None = None, host: str = "") -> Choice:
    """Choose among the namespaces that `--ns` stands for, on one host or all of them; see `selection.named`.

    Meant is the last that was born by `at` (ns UTC); the last of all if none was, which `from_recording.recorded` then
    refuses. Raises BadInput if the recording has no such namespace at all; on that host, there may be none.
    """
    every = tuple(each for each in named(recording.spaces, name) if host in ("", each.home.host))
    by_then = [each for each in every if at is None or each.born <= at] or every
    last = {each.boot: each for each in by_then}
    return Choice(tuple(sorted(last.values(), key=lambda each: each.born)), every)


def of_container(recording: Recording, life: Lives, at: int | None = None) -> Choice:
    """Choose among the namespaces of a container, which `from_recording.lives` has found as of `at`.

    Meant is the last by then; without a time, the last that was asked to stop or has findings.
    """
    every = life.namespaces
    return Choice((most_relevant(recording, every) if at is None else every[-1],), every)


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
