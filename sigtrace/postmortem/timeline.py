"""The timeline of a namespace: what happened to it, in the order of time, as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from sigtrace import signals
from sigtrace.postmortem import end, undelivered
from sigtrace.postmortem.case import SETTLED, Case
from sigtrace.postmortem.event import MEANT_TO_STOP, Event
from sigtrace.postmortem.passing import Passed
from sigtrace.postmortem.snapshot import Snapshot
from sigtrace.postmortem.stop import Stop
from sigtrace.postmortem.subject import about
from sigtrace.signals import CONT, KILL, STOP
from sigtrace.text import printable
from sigtrace.units import SECOND, duration

_NAMES = 4
_QUICK = SECOND // 100


@dataclass(frozen=True)
class TimelineEntry:
    """One entry of the timeline. `time`: ns UTC; `detail`: further lines."""

    time: int
    text: str
    detail: tuple[str, ...] = ()


def timeline_entries(case: Case) -> list[TimelineEntry]:
    """Return the entries in the order of time."""
    entries = [
        *_births(case),
        *_stops(case),
        *_requests(case),
        *_ends(case),
        *_passed_on(case),
        *_members(case),
        *_snapshots(case),
        *_end(case),
    ]
    return sorted(entries, key=lambda entry: entry.time)


def title(case: Case) -> str:
    """`web-1 (docker, image nginx:1.27), PID namespace 4026532249, init app[4242]: python app.py`."""
    text = f"PID namespace {case.nsid}"
    if case.container:
        about = [case.container.runtime, case.container.image and f"image {case.container.image}"]
        known = ", ".join(filter(None, about))
        text = f"{printable(case.container.label)}{known and f' ({printable(known)})'}, {text}"
    snapshot = next((s for s in case.snapshots if s.init), None)
    text += f", init {case.init_name}" if case.init_name else ""
    command = snapshot.init.cmdline if snapshot and snapshot.init else ""
    return text + (f": {printable(command)}" if command else "")


def _births(case: Case) -> Iterator[TimelineEntry]:
    for event in case.to_init:
        if event.stage == "init":
            yield TimelineEntry(event.time, f"{event.target} is born as the namespace's init")
        elif event.stage == "exec":
            yield TimelineEntry(event.time, f"{event.target} runs a new program")


def _stops(case: Case) -> Iterator[TimelineEntry]:
    """Yield an entry for each attempt: the sender and signal of the request, the grace period, SIGKILL."""
    if case.failed_start:
        yield TimelineEntry(
            case.failed_start.time, "its runtime ended it before it ran anything: it failed to start"
        )
    for stop in case.stops:
        how = {None: "", True: ", its configured stop signal", False: f", though {stop.own} is configured"}
        text = f"{stop.first.signal_name}{how[stop.configured]}"
        if stop.grace is not None and stop.killer:
            kill_text = "" if stop.killer.same(stop.asker) else f" from {stop.killer}"
            text += f", then SIGKILL{kill_text} after a grace period of {duration(stop.grace)}"
        elif stop.kill is stop.first:
            text += " at once"
        elif stop.kill and stop.killer and stop.attempt.until_kill is not None:
            own = stop.attempt.by_kernel and not stop.killer.origin
            kill_text = "the kernel's own SIGKILL" if own else f"SIGKILL from {stop.killer}"
            text += f", ended by {kill_text} {duration(stop.attempt.until_kill)} later"
        text += f": it looks like {stop.looks_like}" if stop.looks_like else ""
        before = (_earlier(stop),) if stop.earlier else ()
        left = case.until - stop.first.time
        still = () if stop.exit or left <= 0 else (f"it is still there {duration(left)} later",)
        yield TimelineEntry(stop.first.time, f"asked to stop by {stop.asker}", (text, *before, *still))


def _earlier(stop: Stop) -> str:
    """Return the text about the first request of an attempt that is counted from a later one."""
    assert stop.earlier is not None
    ago = duration(stop.first.time - stop.earlier.time)
    return f"first asked {ago} before, by {stop.earlier.signal_name} from {stop.earlier.sender}"


def _requests(case: Case) -> Iterator[TimelineEntry]:
    """Yield an entry for each run of similar signals to the init, with their outcome."""
    row: list[Event] = []
    begins = {stop.first.number for stop in case.stops}
    prompt = end.prompted(case)
    sent = [e for e in case.to_init if e.stage == "generate" and (e is prompt or _matters(e))]
    shown = {event.number for event in sent}
    for event in case.to_init:
        if event.number in shown:
            apart = event.number in begins and row and row[-1].sender_pid != event.sender_pid
            if row and (apart or not _alike(row[-1], event)):
                yield _signals_entry(case, row)
                row = []
            row.append(event)
        elif _unasked(event) and not any(_alike_signal(e, event) for e in sent):
            yield TimelineEntry(
                event.time, f"{event.signal_name or 'a signal'} at {event.target}", (event.outcome,)
            )
    if row:
        yield _signals_entry(case, row)


def _unasked(event: Event) -> bool:
    """Whether a delivery without a recorded request is shown: not SIGKILL to threads, nor a program's own signals."""
    if event.stage != "deliver" or event.signal == KILL:
        return False
    return event.verdict != "handled" or event.signal in MEANT_TO_STOP


def _matters(event: Event) -> bool:
    """Whether a signal is shown: requests, SIGKILL, SIGSTOP, SIGCONT, drops, and any signal from outside.

    So are those of its terminal when it is closed, or a key is typed.
    """
    from_above = (event.relation == "ancestor" and event.sender_pid != 0) or event.origin in ("hangup", "key")
    return (
        event.asks or from_above or event.signal in (KILL, STOP, CONT) or event.verdict.startswith("dropped")
    )


def _signals_entry(case: Case, row: Sequence[Event]) -> TimelineEntry:
    first, count = row[0], case.count(row)
    times = f", {count:,} times" if count > 1 else ""
    senders = len({event.sender_pid for event in row})
    if senders > 1:
        times += f", by {senders if count == len(row) else 'many'} senders"
    detail = [_outcome_text(case, first)]
    if len(row) > 1:
        detail.append(f"the last time {duration(row[-1].time - first.time)} later")
    return TimelineEntry(first.time, f"{first.signal_name} from {first.sender}{times}", tuple(detail))


def _outcome_text(case: Case, event: Event) -> str:
    if event.verdict.startswith("dropped"):
        return f"DROPPED: {event.outcome}"
    if event.verdict != "queued":
        return event.outcome
    fate = case.fate_of(event)
    if fate is None:
        return undelivered.told(case, event)
    blocked = ", blocked" if event.blocked else ""
    after = f" {duration(fate.time - event.time)} later" if fate.time - event.time > _QUICK else ""
    what = f"DROPPED: {fate.outcome}" if fate.verdict.startswith("dropped") else fate.outcome
    return f"queued{blocked}, delivered{after}: {what}"


def _alike(one: Event, other: Event) -> bool:
    return _kind(one) == _kind(other)


def _kind(event: Event) -> tuple[object, ...]:
    return event.signal, event.verdict, event.origin, event.sender_comm, event.sender_parent_pid


def _alike_signal(sent: Event, event: Event) -> bool:
    return sent.signal == event.signal and sent.time <= event.time


def _ends(case: Case) -> Iterator[TimelineEntry]:
    if case.exit is None:
        return
    stop = case.stop_of(case.exit)
    detail: tuple[str, ...] = ()
    if stop and stop.took is not None:
        before = stop.first.time - stop.earlier.time if stop.earlier else 0
        since = f"{duration(stop.took + before)} after the first signal that asked it to"
        own = f"{duration(stop.took)} after that {stop.first.signal_name}, "
        detail = (own + since if stop.earlier else since,)
    outcome = end.SHUT_DOWN if end.shut_down(case) else case.exit.outcome
    yield TimelineEntry(case.exit.time, f"{case.exit.target} {outcome}", detail + end.why(case))


def _passed_on(case: Case) -> Iterator[TimelineEntry]:
    """Yield an entry for each process that passed requests on, and each signal: to whom, and what became of it."""
    steps: dict[tuple[int, str, int], list[Passed]] = {}
    for each in case.passed:
        by = each.by.name if each.by else each.path[0]
        steps.setdefault((each.attempt, by, each.signal), []).append(each)
    for (_, by, signal), group in steps.items():
        names = _few([each.name for each in group])
        fates = [f"{_few([e.name for e in those])}: {fate}" for fate, those in _fates(case, group).items()]
        detail = fates if len(group) > 1 else [fate.partition(": ")[2] for fate in fates]
        time = case.event(group[0].rows[0]).time
        yield TimelineEntry(time, f"{by} passed {signals.name(signal)} on to {names}", tuple(detail))


def _fates(case: Case, group: Sequence[Passed]) -> dict[str, list[Passed]]:
    """Group processes by what became of the signal that was passed on to them."""
    fates: dict[str, list[Passed]] = {}
    for each in group:
        fates.setdefault(_outcome_text(about(case, each), case.event(each.rows[0])), []).append(each)
    return fates


def _members(case: Case) -> Iterator[TimelineEntry]:
    """Yield entries about the other processes: the signals that they were sent, and their exits, grouped."""
    exited = case.exit.time if case.exit else None
    zapped = [
        e for e in case.to_others if e.signal == KILL and e.relation == "kernel" and e.stage == "generate"
    ]
    zapped = [e for e in zapped if exited is not None and e.time >= exited and e.verdict == "queued"]
    if zapped:
        yield TimelineEntry(
            zapped[0].time, f"the kernel sends SIGKILL to {_names_of(zapped)}: their init has exited"
        )
    killed = end.killed_members(case)
    if killed:
        yield TimelineEntry(
            killed[0].time, f"SIGKILL from {killed[0].sender} to {_names_of(killed)}", end.out_of_memory(case)
        )
    asked: dict[tuple[int, int, str], list[Event]] = {}
    told = {row for each in case.passed for row in each.rows}
    for event in case.to_others:
        if event.number not in told and event not in zapped and (event.asks or event.verdict == "overflowed"):
            asked.setdefault((event.signal, event.sender_pid, event.verdict), []).append(event)
    for group in asked.values():
        yield TimelineEntry(
            group[0].time,
            f"{group[0].signal_name} from {group[0].sender} to {_names_of(group)}",
            (group[0].outcome,),
        )
    since = case.requests[0].time if case.requests else exited or case.until
    exits = [e for e in case.to_others if e.stage == "exit" and (e.time >= since or asked or told)]
    before = [e for e in exits if exited is None or e.time < exited]
    after = [e for e in exits if e not in before]
    for group, how in ((before, "ended"), (after, "ended after it")):
        if group:
            fates = ", ".join(dict.fromkeys(e.outcome for e in group[:_NAMES]))
            yield TimelineEntry(group[-1].time, f"{_names_of(group)} {how}: {fates}")


def _end(case: Case) -> Iterator[TimelineEntry]:
    """Yield the entry for the end of the namespace, if the exit of every known process was recorded."""
    if case.exit is None or not case.has_members:
        return
    left = case.last.tasks if case.last and case.last.time - case.exit.time > SETTLED else ()
    gone = {e.target_pid: e.time for e in case.to_others if e.stage == "exit"}
    seen = {e.target_pid for e in case.to_others} | {t.pid for s in case.snapshots for t in s.processes}
    if not left and seen <= gone.keys():
        last = max([case.exit.time, *gone.values()])
        yield TimelineEntry(last, "the namespace has ended: nobody is left")


def _names_of(events: Sequence[Event]) -> str:
    return _few(dict.fromkeys(e.target for e in events))


def _few(every: Iterable[str]) -> str:
    names = list(every)
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    return ", ".join(names[:_NAMES]) + more


def _snapshots(case: Case) -> Iterator[TimelineEntry]:
    for text, group in groupby(case.snapshots, lambda each: each.summary):
        first, *more = group
        yield TimelineEntry(first.time, _snapshot_title(first), (text,))
        if more:
            left_out = f"; {len(more) - 1:,} in between too" if len(more) > 1 else ""
            yield TimelineEntry(more[-1].time, _snapshot_title(more[-1]), (f"the same{left_out}",))


def _snapshot_title(snapshot: Snapshot) -> str:
    why = "on request" if snapshot.trigger == "asked" else snapshot.trigger
    return f"snapshot ({why}{', again' if snapshot.again else ''})"
