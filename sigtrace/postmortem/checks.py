"""What several checks need to say or to ask: lines of evidence, and what an init would do with a signal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sigtrace import signals
from sigtrace.containers import advice
from sigtrace.containers.stop_signal import stop_request
from sigtrace.postmortem.case import PATIENCE, Case
from sigtrace.postmortem.event import Event
from sigtrace.postmortem.finding import Severity
from sigtrace.postmortem.snapshot import Sight, Task
from sigtrace.signals import KILL, STOP, TERM

_MOST = 3


def install(case: Case) -> str:
    """What helps an init without a handler, in the words of the container's runtime."""
    return (
        "install a handler for it in the program, before it starts its work; or run a small init as PID 1: "
        + advice.small_init(case.container)
    )


def stop_signal(case: Case, event: Event) -> str:
    """`SIGQUIT (its configured stop signal)` where it is that, else its name alone."""
    request = stop_request(case.container)
    own = request.source == "container" and request.signal == event.signal != TERM
    return f"{event.signal_name} (its configured stop signal)" if own else event.signal_name


def lines(events: Sequence[Event], total: int = 0) -> tuple[str, ...]:
    """The first few events, and how many more there are; `total`: in all, where `events` has only some."""
    more = max(total, len(events)) - _MOST
    return tuple(str(event) for event in events[:_MOST]) + (
        (f"and {more:,} more like it",) if more > 0 else ()
    )


def by_signal(events: Iterable[Event]) -> list[list[Event]]:
    """The events grouped by signal, in the order of the first of each."""
    groups: dict[int, list[Event]] = {}
    for event in events:
        groups.setdefault(event.signal, []).append(event)
    return list(groups.values())


def dropped_requests(case: Case) -> list[Event]:
    """Requests to end that were discarded as they were sent; SIGKILL and SIGSTOP, which no handler helps, apart."""
    return [e for e in case.requests if e.verdict == "dropped_at_generate" and e.signal not in (KILL, STOP)]


def severity_of(case: Case, events: Sequence[Event]) -> Severity:
    """How grave it is that these requests came to nothing: a warning if the init then ended all the same."""
    stops = [stop for event in events if (stop := case.stop_of(event))]
    ended = all(stop.exit and not stop.kill for stop in stops)
    return "warning" if stops and ended else "error"


def times(count: int) -> str:
    """`once`, `twice`, `3 times`."""
    return {1: "once", 2: "twice"}.get(count, f"{count:,} times")


def masks(sight: Sight | None, *columns: str) -> tuple[str, ...]:
    """The init's masks as a line of evidence; none without a snapshot of it."""
    if sight is None or sight.init is None:
        return ()
    return (sight.line(sight.init.masks(*(columns or ("caught", "ignored", "blocked")))),)


def takes(sight: Sight, signal: int) -> bool:
    """Whether the init would run a handler for the signal, or take it by sigtimedwait(2) or a signalfd."""
    threads = sight.init_threads
    return any(t.in_mask("caught", signal) for t in threads) or consumes(sight, signal)


def consumes(sight: Sight, signal: int) -> bool:
    """Whether a thread of the init waits for the signal in sigtimedwait(2), or it has a signalfd for it."""
    return any(t.in_mask("awaited", signal) or t.in_mask("signalfd", signal) for t in sight.init_threads)


def is_pending(sight: Sight, signal: int) -> bool:
    """Whether the signal waits in a queue of the init."""
    threads = sight.init_threads
    return any(t.in_mask("pending", signal) or t.in_mask("shared_pending", signal) for t in threads)


def is_left_pending(case: Case, sight: Sight, signal: int) -> bool:
    """Whether the signal waits in a queue of the init, and not just until a thread that was woken for it has run."""
    earlier = (s for s in case.sights if s.time < sight.time and is_pending(s, signal))
    return is_pending(sight, signal) and (all(t.state != "R" for t in sight.init_threads) or any(earlier))


def is_held(task: Task) -> bool:
    """Whether the task cannot act now, whatever its masks: stopped, frozen, or in uninterruptible sleep."""
    return task.state in "TtD" or task.frozen != ""


def would_ask(case: Case) -> int:
    """The signal by which its runtime would ask the namespace to stop."""
    return stop_request(case.container).signal


def would_drop(case: Case) -> Sight | None:
    """For a namespace seen live, before which nothing is known: the snapshot that shows a stop would be dropped.

    None when somebody asked it to end before our eyes, or when it would not be dropped.
    """
    sight = unasked(case)
    if sight is None or sight.init is None:
        return None
    init, signal = sight.init, would_ask(case)
    kept = any(init.in_mask(column, signal) for column in ("ignored", "blocked")) or takes(sight, signal)
    unseen = any(t.awaited == "" for t in sight.init_threads)
    return None if kept or unseen else sight


def unasked(case: Case) -> Sight | None:
    """The last snapshot of a live namespace that nobody asked to end before our eyes; None for any other."""
    if not case.live or case.requests or case.exit:
        return None
    return case.last if case.last and case.last.init and not case.last.init.exiting else None


def too_early(case: Case) -> bool:
    """Whether a request that reached the init may yet end it: nothing followed, and it had less than its time."""
    return any(is_under_way(case, event) for event in case.requests)


def is_under_way(case: Case, event: Event) -> bool:
    """The same of one request."""
    stop = case.stop_of(event)
    came_to_nothing = event.verdict == "ignored" or event.verdict.startswith("dropped")
    ended = stop is None or stop.exit is not None or stop.kill is not None
    return not came_to_nothing and not ended and case.until - event.time < PATIENCE


def name(signal: int) -> str:
    """`SIGTERM`."""
    return signals.name(signal)
