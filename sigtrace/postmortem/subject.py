"""The processes that a case's requests ended at, and which the checks of one process judge: each as the case's subject.

`Case.requests`, `Case.fate_of`, `Snapshot.subject` and others are about the subject, so that a check need not know
whether it judges the init or a process that the init passed a request on to.
"""

from __future__ import annotations

from dataclasses import replace

from sigtrace.containers.stop_signal import stop_request
from sigtrace.postmortem.case import PATIENCE, Case
from sigtrace.postmortem.expected import expected
from sigtrace.postmortem.passing import Passed
from sigtrace.signals import KILL


def judged(case: Case) -> tuple[Case, ...]:
    """Return a case for each process at which its requests ended.

    That is the init, unless it passed requests on to processes that did not end. In a live namespace without requests
    it is the init, and the processes that it would wait for.
    """
    if case.live and not case.requests and case.last and not case.exit:
        request = stop_request(case.container)
        known = () if request.source == "unknown" else expected(case.last, request.signal)
        return *(about(case, each) for each in known), case
    hung = [each for number in range(len(case.attempts)) for each in _hung(case, number)]
    if not hung:
        return (case,)
    rest = replace(case, settled=frozenset(each.attempt for each in hung))
    own = () if all(e.signal == KILL for e in rest.requests) else (rest,)
    return *(about(case, each) for each in hung), *own


def about(case: Case, process: Passed) -> Case:
    """Return a case with a process as its subject."""
    snapshots = (
        replace(s, subject_pid=process.pid if _is_there(case, process, s.time) else 0) for s in case.snapshots
    )
    return replace(case, subject=process, snapshots=tuple(snapshots))


def _is_there(case: Case, process: Passed, time: int) -> bool:
    """Whether the process had its PID at that time (ns UTC)."""
    if not process.rows:
        return True
    gone = case.until if process.exit is None else case.event(process.exit).time
    return case.event(process.rows[0]).target_start <= time <= gone


def _hung(case: Case, number: int) -> list[Passed]:
    """Return the processes that an attempt waited for in vain: those that did not end, and passed nothing on to such.

    None if the init ended by itself in good time. The oldest first: of a process group, that is the one whose end
    the sender waits for.
    """
    attempt = case.attempts[number]
    if attempt.exit is not None and attempt.kill is None and (attempt.duration or 0) < PATIENCE:
        return []
    end = min((row for row in (attempt.kill, attempt.exit) if row is not None), default=len(case.batch))
    alive = [
        e for e in case.passed if e.attempt == number and not e.ended_before(end) and not _lost(case, e, end)
    ]
    waited_for = {id(e.by) for e in alive}
    return sorted((e for e in alive if id(e) not in waited_for), key=lambda each: each.start)


def _lost(case: Case, process: Passed, end: int) -> bool:
    """Whether a snapshot before the end, a row of the batch, shows that the process is gone: its exit was lost."""
    sent = case.event(process.rows[-1]).time
    until = case.event(end).time if end < len(case.batch) else case.until
    complete = (
        s for s in case.snapshots if sent < s.time < until and not s.space.problem and not s.space.left_out
    )
    return process.exit is None and any(all(task.pid != process.pid for task in s.tasks) for s in complete)
