"""PID 1 is a shell that waits for the real program and does not pass signals on: `CMD app`, a script without exec."""

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
from sigtrace.postmortem.snapshot import Snapshot, Task
from sigtrace.signals import INT, QUIT, TERM
from sigtrace.text import shorten


def check(case: Case) -> Iterator[Finding]:
    """Report requests to a shell with a child that were discarded, or whose trap waits for the child to end.

    A shell blocks signals while it forks, so that a request may also be discarded at delivery.
    """
    slow = [
        e for e in case.requests if (f := case.fate_of(e)) and f.verdict == "handled" and case.outlasted(e)
    ]
    asked = {e.signal for e in case.requests}
    late = [e for e in case.to_init if e.verdict == "dropped_at_deliver" and e.signal in asked]
    for events in by_signal([*dropped_requests(case), *slow, *late]):
        snapshot = case.snapshot_after(events[0].time) or case.snapshot_of_init()
        children = _children(snapshot)
        if not _is_shell(events[0], snapshot) or not (children or (snapshot is None and _others(case))):
            continue
        first = events[0]
        if (
            first.signal != TERM
            and first.verdict == "dropped_at_generate"
            and snapshot
            and takes(snapshot, TERM)
        ):
            continue  # `wrong-stop-signal`: the shell would have ended on SIGTERM
        yield Finding(
            "shell-form",
            case.nsid,
            severity_of(case, events),
            "certain" if children else "likely",
            f"{first.signal_name} went to the shell {first.target}, PID 1, which waits for "
            f"{_names(children) or 'its child'} and does not pass it on.",
            lines(events) + _shown(snapshot, children),
            _advice(case),
            numbers(*events),
        )
    yield from _trapped(case)
    snapshot = would_drop(case)
    if snapshot is not None and snapshot.init is not None and snapshot.init.is_shell and _children(snapshot):
        yield _unseen(case, snapshot, _children(snapshot), f"discards {name(would_ask(case))}")
    snapshot = unasked(case)
    if (
        snapshot is not None
        and snapshot.init is not None
        and snapshot.init.in_mask("caught", would_ask(case))
    ):
        children = _in_front(snapshot)
        if children:
            how = f"runs its trap for {name(would_ask(case))} only when that has ended"
            yield _unseen(case, snapshot, children, how)


def _trapped(case: Case) -> Iterator[Finding]:
    """Report recent requests whose trap has to wait for the shell's foreground command."""
    noted = [e for e in case.requests if (f := case.fate_of(e)) and f.verdict == "handled"]
    for events in by_signal(e for e in noted if is_under_way(case, e)):
        first, snapshot = events[0], case.last_snapshot_after(events[0].time)
        children = _in_front(snapshot)
        if snapshot is None or not children:
            continue
        yield Finding(
            "shell-form",
            case.nsid,
            "warning",
            "possible",
            f"{first.signal_name} went to the shell {first.target}, PID 1, which waits for {_names(children)} and runs "
            "its trap only when that has ended.",
            lines(events) + _shown(snapshot, children),
            _advice(case),
            numbers(*events),
        )


def _unseen(case: Case, snapshot: Snapshot, children: list[Task], how: str) -> Finding:
    """Return the finding for a live shell, which may have been asked to stop before sigtrace looked."""
    who = snapshot.init.name if snapshot.init else ""
    return Finding(
        "shell-form",
        case.nsid,
        "warning",
        "possible",
        f"PID 1 is the shell {who}, which waits for {_names(children)} and {how}. If it was asked to stop before "
        "sigtrace looked, that is why it did not.",
        _shown(snapshot, children),
        _advice(case),
    )


def _advice(case: Case) -> str:
    return (
        'start the program itself: the exec form CMD ["app"] in the image, or `exec app` as the last line of the '
        f"script; or run a small init that passes signals on: {advice.small_init(case.container)}"
    )


def _is_shell(event: Event, snapshot: Snapshot | None) -> bool:
    if snapshot is not None and snapshot.init is not None:
        return snapshot.init.is_shell
    return Task({"comm": event.target_comm}).is_shell


def _children(snapshot: Snapshot | None) -> list[Task]:
    """Return the children of the init that are alive; none while the init itself is held."""
    if snapshot is None or snapshot.init is None or is_held(snapshot.init):
        return []
    return [t for t in snapshot.processes if t.ppid == snapshot.init.pid and t.state not in "ZX"]


def _in_front(snapshot: Snapshot | None) -> list[Task]:
    """Return the children that a shell with a trap runs in the foreground.

    A shell in `wait` runs its trap at once; dash and ash sleep in sigsuspend(2) there. A command that a script starts
    by `&` ignores SIGINT and SIGQUIT (POSIX, Shell Command Language 2.11), which distinguishes it unless the shell
    itself ignores them.
    """
    if (
        snapshot is None
        or snapshot.init is None
        or not snapshot.init.is_shell
        or "sigsuspend" in snapshot.init.wchan
    ):
        return []
    children = _children(snapshot)
    if _ignores_keys(snapshot.init):
        return children
    return [task for task in children if not _ignores_keys(task)]


def _ignores_keys(task: Task) -> bool:
    return task.in_mask("ignored", INT) and task.in_mask("ignored", QUIT)


def _others(case: Case) -> bool:
    return any(event.nsid == case.nsid for event in case.to_others)


def _names(children: list[Task]) -> str:
    return ", ".join(task.name for task in children[:3])


def _shown(snapshot: Snapshot | None, children: list[Task]) -> tuple[str, ...]:
    if snapshot is None or snapshot.init is None:
        return ()
    shown = [snapshot.init, *children[:3]]
    return tuple(snapshot.line(f"{task}: {shorten(task.cmdline, 60)}") for task in shown)


CAUSE = Cause(
    "shell-form",
    "a shell that does not pass signals on",
    check,
    instead_of=("dropped-at-generate", "dropped-at-deliver", "slow-handler", "wrong-stop-signal"),
    waits=True,
)
