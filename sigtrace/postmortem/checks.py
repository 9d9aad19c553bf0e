"""Helpers that several checks share: lines of evidence, and what an init would do with a signal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from sigtrace import signals
from sigtrace.containers import advice
from sigtrace.containers.stop_signal import stop_request
from sigtrace.postmortem.case import PATIENCE, Case
from sigtrace.postmortem.event import Event
from sigtrace.postmortem.finding import SEVERITIES, Confidence, Severity
from sigtrace.postmortem.period import Period
from sigtrace.postmortem.snapshot import Snapshot, Task
from sigtrace.postmortem.stop import Stop
from sigtrace.predict import as_member
from sigtrace.signals import KILL, STOP, TERM

_MOST = 3
"""Events that a finding quotes; a storm of thousands would bury the rest of the evidence."""


def install(case: Case, snapshot: Snapshot | None, signal: int) -> str:
    """Return the advice for an init without a handler, with the option of the container's runtime for a small init.

    snapshot: one of the init, whose masks show which signals end the program once it is no init; None: not known.
    """
    text = (
        "install a handler for it in the program, before it starts its work; or run a small init as PID 1: "
        + advice.small_init(case.container)
    )
    changes = as_member.warning(treated(snapshot), signal) if snapshot and snapshot.init else ""
    return f"{text}; {changes}" if changes else text


def treated(snapshot: Snapshot) -> int:
    """Return the mask of the signals that the init handles, ignores, takes otherwise, or blocks in all its threads."""
    found, blocked = 0, -1
    for thread in snapshot.init_threads:
        for column in ("caught", "ignored", "awaited", "signalfd"):
            found |= thread.mask(column)
        blocked &= thread.mask("blocked")
    return found | (blocked if snapshot.init_threads else 0)


def stop_signal(case: Case, event: Event) -> str:
    """Return `SIGQUIT (its configured stop signal)` if it is that, else the name alone."""
    request = stop_request(case.container)
    # A configured SIGTERM is the default of all runtimes: to mention it would point at the wrong place.
    own = request.source == "container" and request.signal == event.signal != TERM
    return f"{event.signal_name} (its configured stop signal)" if own else event.signal_name


def lines(events: Sequence[Event], total: int = 0) -> tuple[str, ...]:
    """Return the first few events as lines of evidence, and a line with the number of the others.

    total: the number of events in all, if `events` has only some of them.
    """
    more = max(total, len(events)) - _MOST
    return tuple(str(event) for event in events[:_MOST]) + (
        (f"and {more:,} more like it",) if more > 0 else ()
    )


def by_signal(events: Iterable[Event]) -> list[list[Event]]:
    """Group events by signal, in the order of each group's first event."""
    groups: dict[int, list[Event]] = {}
    for event in events:
        groups.setdefault(event.signal, []).append(event)
    return list(groups.values())


def dropped_requests(case: Case) -> list[Event]:
    """Return the requests that were discarded at generation, except SIGKILL: no handler can be set for that.

    `kill-from-inside` reports a discarded SIGKILL or SIGSTOP.
    """
    return [e for e in case.requests if e.verdict == "dropped_at_generate" and e.signal not in (KILL, STOP)]


def sent_to_itself(case: Case, event: Event) -> bool:
    """Whether the subject itself sent the signal that an event delivers or discards, as by raise(3)."""
    sent = (e for e in case.to_subject if e.stage == "generate" and e.signal == event.signal)
    last = max((e for e in sent if e.time <= event.time), key=lambda each: each.time, default=None)
    return last is not None and last.relation == "self"


def severity_of(case: Case, events: Sequence[Event]) -> Severity:
    """Return the severity of requests without effect: a warning if the init ended without SIGKILL all the same."""
    stops = [stop for event in events if (stop := case.stop_of(event))]
    ended = all(stop.exit and not stop.kill for stop in stops)
    return "warning" if stops and ended else "error"


def weight(case: Case, period: Period, now: Severity = "error") -> tuple[Severity, Confidence]:
    """Return the severity and the confidence of a finding about a state; `now`: the severity of one that is not over.

    A state that lasted until a SIGKILL cut the stop off explains that stop as much as one that lasts. One that was over
    by itself is one step less if a stop was slow or cut off that it was there in, or if it lasted for PATIENCE; any
    other is a notice.
    """
    confidence: Confidence = "certain" if period.settled else "likely"
    during = [each for each in case.stops if _overlap(period, each)]
    cuts = [each.cut_off.time for each in during if each.cut_off]
    if case.subject and case.subject.kill is not None:
        cuts.append(case.event(case.subject.kill).time)
    if not period.past or any(period.over >= cut for cut in cuts):
        return now, confidence
    lower = dict(pairwise((*SEVERITIES, SEVERITIES[-1])))[now]
    slow = any(each.cut_off or (each.took or 0) >= PATIENCE for each in during)
    return (lower if slow or period.last - period.first >= PATIENCE else "notice"), confidence


def _overlap(period: Period, stop: Stop) -> bool:
    """Whether the state was there while a stop lasted: until its SIGKILL, or the exit without one."""
    end = stop.kill or stop.exit
    return period.last >= stop.first.time and (end is None or period.first <= end.time)


def times(count: int) -> str:
    """Return `once`, `twice`, `3 times`."""
    return {1: "once", 2: "twice"}.get(count, f"{count:,} times")


def masks(snapshot: Snapshot | None, *columns: str) -> tuple[str, ...]:
    """Return the signal masks of the subject as a line of evidence; none if the snapshot does not have it."""
    if snapshot is None or snapshot.subject is None:
        return ()
    return (snapshot.line(snapshot.subject.masks(*(columns or ("caught", "ignored", "blocked")))),)


def takes(snapshot: Snapshot, signal: int) -> bool:
    """Whether the subject would run a handler for the signal, or fetch it by sigtimedwait(2) or a signalfd."""
    threads = snapshot.subject_threads
    return any(t.in_mask("caught", signal) for t in threads) or consumes(snapshot, signal)


def consumes(snapshot: Snapshot, signal: int) -> bool:
    """Whether a thread of the subject waits for the signal in sigtimedwait(2), or it has a signalfd for it."""
    return any(
        t.in_mask("awaited", signal) or t.in_mask("signalfd", signal) for t in snapshot.subject_threads
    )


def is_pending(snapshot: Snapshot, signal: int) -> bool:
    """Whether the signal is pending for the subject, either shared or for one of its threads."""
    threads = snapshot.subject_threads
    return any(t.in_mask("pending", signal) or t.in_mask("shared_pending", signal) for t in threads)


def is_left_pending(case: Case, snapshot: Snapshot, signal: int) -> bool:
    """Whether the signal stays pending for the subject.

    A signal is also pending for the moment between complete_signal() waking a thread and the thread running: if a
    thread is runnable (state R), an earlier snapshot must show the signal too.
    """
    earlier = (s for s in case.snapshots if s.time < snapshot.time and is_pending(s, signal))
    return is_pending(snapshot, signal) and (
        all(t.state != "R" for t in snapshot.subject_threads) or any(earlier)
    )


def is_held(task: Task) -> bool:
    """Whether the task cannot act now, whatever its masks: stopped, traced, frozen, or in uninterruptible sleep."""
    return task.state in "TtD" or task.frozen != ""


def would_ask(case: Case) -> int:
    """Return the signal that would ask the subject to end if the runtime stopped the container."""
    return case.subject.signal if case.subject else stop_request(case.container).signal


def would_drop(case: Case) -> Snapshot | None:
    """Return the snapshot of a live namespace which shows that its stop signal would be dropped; None otherwise.

    None as well if a request was recorded: then the checks judge that request instead of a possible one.
    """
    snapshot = unasked(case)
    if snapshot is None or snapshot.init is None or case.subject is not None:
        return None
    init, signal = snapshot.init, would_ask(case)
    # sig_ignored() does not drop a blocked signal; an ignored one has a cause of its own, `ignored-by-program`.
    kept = any(init.in_mask(column, signal) for column in ("ignored", "blocked")) or takes(snapshot, signal)
    # sigtimedwait(2) takes its signals out of the blocked mask while it waits: without /proc/PID/syscall, an init
    # that waits for the signal looks like one that drops it.
    unseen = any(t.awaited == "" for t in snapshot.subject_threads)
    return None if kept or unseen else snapshot


def unasked(case: Case) -> Snapshot | None:
    """Return the last snapshot of a live namespace without a recorded request; None for any other case."""
    if not case.live or case.requests or case.exit:
        return None
    return case.last if case.last and case.last.subject and not case.last.subject.exiting else None


def too_early(case: Case) -> bool:
    """Whether a request may still end the init: it had an effect, and the init has had less than PATIENCE since."""
    return any(is_under_way(case, event) for event in case.requests)


def is_under_way(case: Case, event: Event) -> bool:
    """The same for one request."""
    stop = case.stop_of(event)
    came_to_nothing = event.verdict == "ignored" or event.verdict.startswith("dropped")
    ended = stop is None or stop.exit is not None or stop.kill is not None
    return not came_to_nothing and not ended and case.until - event.time < PATIENCE


def name(signal: int) -> str:
    """Return the name of a signal: `SIGTERM`."""
    return signals.name(signal)
