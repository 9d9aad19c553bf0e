"""PID 1 is a shell that waits for the real program and does not pass signals on: `CMD app`, a script without exec."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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
from sigtrace.postmortem.finding import Confidence, Finding, numbers
from sigtrace.postmortem.snapshot import Snapshot, Task
from sigtrace.predict.shell import waited_for, waits_for
from sigtrace.predict.shell_advice import against_a_shell
from sigtrace.signals import TERM
from sigtrace.text import shorten


def check(case: Case) -> Iterator[Finding]:
    """Report requests to a shell with a child that were discarded, or whose trap did not pass them on to the child.

    A shell blocks signals while it forks, so that a request may also be discarded at delivery.
    """
    yield from _discarded(case)
    yield from _trapped(case)
    snapshot = would_drop(case)
    if snapshot is not None and snapshot.init is not None and snapshot.init.is_shell and _children(snapshot):
        yield _unseen(case, snapshot, _children(snapshot), f"discards {name(would_ask(case))}")
    snapshot = unasked(case)
    if (
        snapshot is not None
        and snapshot.subject is not None
        and snapshot.subject.in_mask("caught", would_ask(case))
    ):
        children, _ = _in_front(snapshot)
        if children:
            how = f"runs its trap for {name(would_ask(case))} only when that has ended"
            yield _unseen(case, snapshot, children, how)


def _discarded(case: Case) -> Iterator[Finding]:
    asked = {e.signal for e in case.requests}
    late = [e for e in case.to_subject if e.verdict == "dropped_at_deliver" and e.signal in asked]
    for events in by_signal([*dropped_requests(case), *late]):
        snapshot = case.snapshot_after(events[0].time) or case.snapshot_of_subject()
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
        how = f"waits for {_names(children) or 'its child'} and does not pass it on"
        yield _finding(case, events, (snapshot, children), "certain" if children else "likely", how)


def _trapped(case: Case) -> Iterator[Finding]:
    """Report requests that a trap got, which had to wait for a foreground command, or sent nothing to the child."""
    noted = [e for e in case.requests if (f := case.fate_of(e)) and f.verdict == "handled"]
    for events in by_signal(e for e in noted if is_under_way(case, e) or case.outlasted(e)):
        first = events[0]
        if case.passes_on(first):
            continue
        late = case.outlasted(first)
        seen = case.last_snapshot_after(first.time)
        snapshot = seen or case.snapshot_of_subject()
        children, sure = _in_front(seen)
        if children:
            how = f"waits for {_names(children)} and runs its trap only when that has ended"
            yield _finding(case, events, (snapshot, children), _sureness(late, sure), how)
            continue
        children = _children(snapshot)
        # Only a recording of all processes shows that the trap sent nothing to the child.
        if late and children and case.has_members and _is_shell(first, snapshot):
            how = f"waits for {_names(children)}; its trap did not pass it on"
            yield _finding(case, events, (snapshot, children), "likely", how)


def _sureness(late: bool, sure: bool) -> Confidence:
    if not late:
        return "possible"
    return "certain" if sure else "likely"


def _finding(
    case: Case,
    events: Sequence[Event],
    seen: tuple[Snapshot | None, list[Task]],
    confidence: Confidence,
    how: str,
) -> Finding:
    first, where = events[0], ", PID 1," if case.subject is None else ""
    return Finding(
        "shell-form",
        case.nsid,
        "warning" if confidence == "possible" else severity_of(case, events),
        confidence,
        f"{first.signal_name} went to the shell {first.target}{where} which {how}.",
        lines(events) + _shown(*seen),
        _advice(case, *seen),
        numbers(*events),
    )


def _unseen(case: Case, snapshot: Snapshot, children: list[Task], how: str) -> Finding:
    """Return the finding for a live shell, which may have been asked to stop before sigtrace looked."""
    who = snapshot.subject.name if snapshot.subject else ""
    where = "PID 1 is the shell" if case.subject is None else "Behind PID 1 is the shell"
    return Finding(
        "shell-form",
        case.nsid,
        "warning",
        "possible",
        f"{where} {who}, which waits for {_names(children)} and {how}. If it was asked to stop before "
        "sigtrace looked, that is why it did not.",
        _shown(snapshot, children),
        _advice(case, snapshot, children),
    )


def _advice(case: Case, snapshot: Snapshot | None, children: list[Task]) -> str:
    if case.subject is not None:
        return (
            "start the program itself, or `exec app` as the last line of the script; or run it in the background "
            "(`app & wait`), and have a trap send it the signal"
        )
    cmdline = snapshot.subject.cmdline.split() if snapshot and snapshot.subject else []
    return "; or ".join(against_a_shell(cmdline, _names(children), advice.small_init(case.container)))


def _is_shell(event: Event, snapshot: Snapshot | None) -> bool:
    if snapshot is not None and snapshot.subject is not None:
        return snapshot.subject.is_shell
    return Task({"comm": event.target_comm}).is_shell


def _children(snapshot: Snapshot | None) -> list[Task]:
    """Return the children that a shell may wait for; none while the shell itself is held."""
    if snapshot is None or snapshot.subject is None or is_held(snapshot.subject):
        return []
    shell = snapshot.subject
    alive = {t.pid: t for t in snapshot.processes if t.ppid == shell.pid and t.state not in "ZX"}
    return [alive[each.pid] for each in waited_for(shell.relative, [t.relative for t in alive.values()])]


def _in_front(snapshot: Snapshot | None) -> tuple[list[Task], bool]:
    """Return the children that a shell may run in the foreground, and whether it is likely that it does.

    A shell that waits for a child in the background runs its trap at once.
    """
    if snapshot is None or snapshot.subject is None or not snapshot.subject.is_shell:
        return [], False
    children = {each.pid: each for each in _children(snapshot)}
    shell = snapshot.subject
    found = waits_for(shell.wchan, shell.relative, (t.relative for t in children.values()), shell.shell)
    if found.mode not in ("foreground", "unknown"):
        return [], False
    return [children[each.pid] for each in found.children], found.mode == "foreground"


def _others(case: Case) -> bool:
    return any(event.nsid == case.nsid for event in case.to_others)


def _names(children: list[Task]) -> str:
    return ", ".join(task.name for task in children[:3])


def _shown(snapshot: Snapshot | None, children: list[Task]) -> tuple[str, ...]:
    if snapshot is None or snapshot.subject is None:
        return ()
    shown = [snapshot.subject, *children[:3]]
    return tuple(snapshot.line(f"{task}: {shorten(task.cmdline, 60)}") for task in shown)


CAUSE = Cause(
    "shell-form",
    "a shell that does not pass signals on",
    process=check,
    instead_of=("dropped-at-generate", "dropped-at-deliver", "slow-handler", "wrong-stop-signal"),
    waits=True,
)
