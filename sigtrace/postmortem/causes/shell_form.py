"""PID 1 is a shell that waits for the real program and does not pass signals on: `CMD app`, or a script's `app`."""

from __future__ import annotations

from collections.abc import Iterator

from sigtrace.containers import advice
from sigtrace.postmortem.case import Case
from sigtrace.postmortem.cause import Cause
from sigtrace.postmortem.checks import (
    by_signal,
    dropped_requests,
    is_held,
    is_under_way,
    lines,
    name,
    severity_of,
    takes,
    unasked,
    would_ask,
    would_drop,
)
from sigtrace.postmortem.event import Event
from sigtrace.postmortem.finding import Finding, numbers
from sigtrace.postmortem.snapshot import Sight, Task
from sigtrace.signals import INT, QUIT, TERM
from sigtrace.text import shorten


def check(case: Case) -> Iterator[Finding]:
    """Requests to a shell with a child that were discarded, or whose trap waits for the child to end.

    Discarded also at delivery: a shell that forks blocks signals for a moment.
    """
    slow = [
        e for e in case.requests if (f := case.fate_of(e)) and f.verdict == "handled" and case.outlasted(e)
    ]
    asked = {e.signal for e in case.requests}
    late = [e for e in case.to_init if e.verdict == "dropped_at_deliver" and e.signal in asked]
    for events in by_signal([*dropped_requests(case), *slow, *late]):
        sight = case.sight_after(events[0].time) or case.sight_of_init()
        children = _children(sight)
        if not _is_shell(events[0], sight) or not (children or (sight is None and _others(case))):
            continue
        first = events[0]
        if first.signal != TERM and first.verdict == "dropped_at_generate" and sight and takes(sight, TERM):
            continue  # it would have ended by SIGTERM: the stop signal is wrong
        yield Finding(
            "shell-form",
            case.nsid,
            severity_of(case, events),
            "certain" if children else "likely",
            f"{first.signal_name} went to the shell {first.target}, PID 1, which waits for "
            f"{_names(children) or 'its child'} and does not pass it on.",
            lines(events) + _shown(sight, children),
            _advice(case),
            numbers(*events),
        )
    yield from _trapped(case)
    sight = would_drop(case)
    if sight is not None and sight.init is not None and sight.init.is_shell and _children(sight):
        yield _unseen(case, sight, _children(sight), f"discards {name(would_ask(case))}")
    sight = unasked(case)
    if sight is not None and sight.init is not None and sight.init.in_mask("caught", would_ask(case)):
        children = _in_front(sight)
        if children:
            how = f"runs its trap for {name(would_ask(case))} only when that has ended"
            yield _unseen(case, sight, children, how)


def _trapped(case: Case) -> Iterator[Finding]:
    """Requests of a moment ago, whose trap has to wait for the command that the shell runs."""
    noted = [e for e in case.requests if (f := case.fate_of(e)) and f.verdict == "handled"]
    for events in by_signal(e for e in noted if is_under_way(case, e)):
        first, sight = events[0], case.last_sight_after(events[0].time)
        children = _in_front(sight)
        if sight is None or not children:
            continue
        yield Finding(
            "shell-form",
            case.nsid,
            "warning",
            "possible",
            f"{first.signal_name} went to the shell {first.target}, PID 1, which waits for {_names(children)} and runs "
            "its trap only when that has ended.",
            lines(events) + _shown(sight, children),
            _advice(case),
            numbers(*events),
        )


def _unseen(case: Case, sight: Sight, children: list[Task], how: str) -> Finding:
    """A shell as it is now; nobody knows whether it was asked before."""
    who = sight.init.name if sight.init else ""
    return Finding(
        "shell-form",
        case.nsid,
        "warning",
        "possible",
        f"PID 1 is the shell {who}, which waits for {_names(children)} and {how}. If it was asked to stop before "
        "sigtrace looked, that is why it did not.",
        _shown(sight, children),
        _advice(case),
    )


def _advice(case: Case) -> str:
    return (
        'start the program itself: the exec form CMD ["app"] in the image, or `exec app` as the last line of the '
        f"script; or run a small init that passes signals on: {advice.small_init(case.container)}"
    )


def _is_shell(event: Event, sight: Sight | None) -> bool:
    if sight is not None and sight.init is not None:
        return sight.init.is_shell
    return Task({"comm": event.target_comm}).is_shell


def _children(sight: Sight | None) -> list[Task]:
    """The living children of a shell."""
    if sight is None or sight.init is None or is_held(sight.init):
        return []
    return [t for t in sight.processes if t.ppid == sight.init.pid and t.state not in "ZX"]


def _in_front(sight: Sight | None) -> list[Task]:
    """Those children that a shell with a trap has in the foreground.

    One that runs `wait` takes its trap at once: dash and ash sleep in sigsuspend(2) then. What a script starts by `&`
    ignores SIGINT and SIGQUIT (POSIX, 2.11), which tells nothing where the shell was started so itself.
    """
    if sight is None or sight.init is None or not sight.init.is_shell or "sigsuspend" in sight.init.wchan:
        return []
    children = _children(sight)
    if _ignores_keys(sight.init):
        return children
    return [task for task in children if not _ignores_keys(task)]


def _ignores_keys(task: Task) -> bool:
    return task.in_mask("ignored", INT) and task.in_mask("ignored", QUIT)


def _others(case: Case) -> bool:
    return any(event.nsid == case.nsid for event in case.to_others)


def _names(children: list[Task]) -> str:
    return ", ".join(task.name for task in children[:3])


def _shown(sight: Sight | None, children: list[Task]) -> tuple[str, ...]:
    if sight is None or sight.init is None:
        return ()
    shown = [sight.init, *children[:3]]
    return tuple(sight.line(f"{task}: {shorten(task.cmdline, 60)}") for task in shown)


CAUSE = Cause(
    "shell-form",
    "a shell that does not pass signals on",
    check,
    instead_of=("dropped-at-generate", "dropped-at-deliver", "slow-handler", "wrong-stop-signal"),
    waits=True,
)
