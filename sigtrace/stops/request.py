"""Stop requests: which signals ask an init to end, and from which of them a stop is counted. The only definition.

These signals are requests, when they are generated:

    SIGKILL, and the signals of `signals.STOP_REQUESTS`;
    the configured stop signal of the container;
    any other signal from outside, if the next one is a SIGKILL by the same sender within SOON_NS: it was then a stop
    signal that the configuration does not show. This also holds for a SIGHUP that is otherwise a reload;
    any other signal from outside that the init handles, or blocks and so may fetch, if it exits by itself within
    AT_ONCE_NS. So does the SIGHUP of a terminal that is closed.

These are not:

    a SIGHUP that the init handles, or blocks (as programs do that wait for signals): it requests a reload;
    a signal from the init to itself, or to an init that is exiting or has exited;
    a SIGKILL from inside, which the kernel drops;
    a signal from the kernel, except SIGINT and SIGQUIT, which the terminal driver sends for Ctrl-C and Ctrl-\\. The
    kernel's SIGKILL (out of memory, the end of a namespace above) is an end, not a request, and so is a signal by
    PR_SET_PDEATHSIG. The SIGKILL of reboot(2) is how a container shuts itself down;
    the SIGKILL by which a runtime ends an init that has not run a program yet: the container failed to start.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sigtrace import signals
from sigtrace.clock import TICK_NS
from sigtrace.events import verdict, wire
from sigtrace.events.batch import Batch
from sigtrace.events.column_types import flag
from sigtrace.events.container import Container
from sigtrace.events.nskey import NsKey, distinct
from sigtrace.events.origin import CODE as ORIGIN
from sigtrace.events.origin import ORIGINS
from sigtrace.stops.sender import INSIDE, Asker, asker, by_its_maker
from sigtrace.text import decode
from sigtrace.units import SECOND

SOON_NS = 90 * SECOND
"""A signal with another meaning is a request if SIGKILL follows within this time.

It covers the default grace periods (docker and podman 10 s, Kubernetes 30 s, lxc-stop 60 s), and is short enough that
a signal unrelated to a later SIGKILL is rarely taken for a request.
"""
AT_ONCE_NS = SECOND
"""A program that exits within this time of a signal that it handled did so because of it.

It is short, as the program may exit for another reason too.
"""
ALWAYS = tuple(signals.members(signals.STOP_REQUESTS | signals.mask([signals.KILL])))
"""The signals that ask any init to end."""
_NEVER = tuple(range(signals.CHLD, signals.URG + 1))
"""CHLD, CONT, STOP, TSTP, TTIN, TTOU, URG: job control and notifications, which no runtime uses as stop signals."""
POSSIBLE = tuple(sorted(set(range(1, signals.SIGRTMAX + 1)) - set(_NEVER)))
"""The signals that may be requests."""


class Record(NamedTuple):
    """The sender and the target of one record: the facts that `sender.asker` needs."""

    relation: str
    target_comm: str
    sender_pid: int
    sender_comm: str
    sender_parent_pid: int
    sender_parent_comm: str
    signal: int = 0
    code: int = 0
    context_pid: int = 0
    context_comm: str = ""
    origin: str = ""


class SignalRequest(NamedTuple):
    """One request of an attempt to stop an init."""

    asker: Asker
    signal: int
    verdict: str
    """Its verdict at generation."""

    @property
    def taken(self) -> bool:
        """Whether it was queued, and so reached the program or ended it; not dropped or ignored at generation."""
        return self.verdict in TAKEN


TAKEN = ("queued", "coalesced")
"""The verdicts at generation of signals that reach the program or end it."""


def asking(
    batch: Batch, own: npt.NDArray[np.int64], failed: Sequence[int] | None = None
) -> npt.NDArray[np.bool_]:
    """Mark the stop requests among the records of a batch: shape (n,), bool. The module's text has the rules.

    batch: records in the order of kernel time. own: `own_stop_signals` of the batch, shape (n,). failed: its
    `failed_starts`, if they are known already.
    """
    r = batch.records
    number, relation, how = r["signal"], r["relation"], batch.origins
    kill, by_kernel = number == signals.KILL, relation == wire.RELATION["kernel"]
    by_kernel |= how == ORIGIN["parent_death"]
    # raise(3) and abort(3) are a program's way to end itself: nobody asked it to.
    sent = (r["stage"] == wire.STAGE["generate"]) & (relation != wire.RELATION["self"])
    # `dying` alone does not cover signals after the exit: kernels before 5.17 queue them (see `kernel_rules`).
    sent &= (batch.verdicts != verdict.CODE["dying"]) & ~_to_the_dead(batch)
    # The line discipline's isig() sends SIGINT and SIGQUIT as the kernel, but it is a person who pressed the key.
    keys = np.isin(number, (signals.INT, signals.QUIT))
    # A dropped SIGTERM is a request that failed. A dropped SIGKILL comes from inside (sig_task_ignored() without
    # `force`): counted as a request, it would make up a grace period that nobody granted.
    closed = sent & (how == ORIGIN["hangup"])
    sent &= ~(by_kernel & ~keys) & ~(kill & verdict.is_dropped(batch.verdicts))
    caught = (r["disposition"] == wire.DISPOSITION["handler"]) | flag(r, "blocked")
    # Daemons reload on SIGHUP. Without a handler its default action is to end the program: it is a request then.
    reload = (number == signals.HUP) & (own != signals.HUP) & caught
    asks: npt.NDArray[np.bool_] = sent & (np.isin(number, ALWAYS) | (number == own)) & ~reload
    asks[failed_starts(batch) if failed is None else list(failed)] = False
    # Only from outside: a SIGUSR1 from a member is traffic between processes of the container, whatever follows.
    outside = sent & flag(r, "init") & (relation == wire.RELATION["ancestor"]) & (r["sender_pid"] != 0)
    outside &= ~np.isin(number, _NEVER)
    asks[_before_kill(batch, np.flatnonzero(outside), asks)] = True
    asks[_before_exit(batch, (outside | closed) & caught & flag(r, "init") & ~asks, asks)] = True
    return asks


def inits(records: npt.NDArray[np.void]) -> npt.NDArray[np.intp]:
    """Return a code for the init of each record: shape (n,), the same number for the same process.

    records: shape (n,), of inits only.
    """
    codes = distinct(records["nsid"], records["ns_start"])[1]
    within = (records["ns_start"] % TICK_NS).astype("i4")
    one = np.zeros(int(codes.max(initial=-1)) + 1, "i4")
    one[codes] = within
    if (one[codes] == within).all():
        return codes
    # An inode was reused within one clock tick, the resolution of NsKey; the records have the start in ns.
    found: npt.NDArray[np.intp] = np.unique(codes * TICK_NS + within, return_inverse=True)[1]
    return found


def exits(records: npt.NDArray[np.void], codes: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Return the row of the exit of each record's init: shape (n,); n if there is none.

    records: shape (n,), of inits only; codes: those of `inits`. If there are several exits, the first is returned:
    before 6.16, sched_process_exit does not say which thread is the last of its group, so that each of the threads
    that die together may be taken for it.
    """
    first = np.full(int(codes.max(initial=-1)) + 1, len(records))
    ends = np.flatnonzero(records["stage"] == wire.STAGE["exit"])[::-1]
    first[codes[ends]] = ends
    found: npt.NDArray[np.intp] = first[codes]
    return found


def _to_the_dead(batch: Batch) -> npt.NDArray[np.bool_]:
    """Mark the records of inits that have exited before: shape (n,)."""
    r = batch.records
    dead = np.zeros(len(r), bool)
    rows = np.flatnonzero(flag(r, "init"))
    if (r["stage"][rows] == wire.STAGE["exit"]).any():
        part = batch[rows].records
        dead[rows] = np.arange(len(rows)) > exits(part, inits(part))
    return dead


def failed_starts(batch: Batch) -> list[int]:
    """Return the rows of the SIGKILLs by which a runtime ended an init that had not run a program yet.

    Until its first exec the init is a process of the runtime itself (`runc init`). If setting up the container fails,
    the runtime kills that process: this is not a stop of a container.
    """
    r = batch.records
    own = flag(r, "init")
    born, ran = (set(_keys(r[own & (r["stage"] == wire.STAGE[stage])])) for stage in ("init", "exec"))
    if not born - ran:
        return []
    rows = np.flatnonzero(own & (r["stage"] == wire.STAGE["generate"]) & (r["signal"] == signals.KILL))
    found = zip(rows.tolist(), _keys(r[rows]), strict=True)
    return [row for row, key in found if key in born - ran and by_its_maker(_record(batch, row))]


def _keys(records: npt.NDArray[np.void]) -> list[NsKey]:
    """Return the namespace of each record."""
    keys, codes = NsKey.from_records(records["nsid"], records["ns_start"])
    return [keys[code] for code in codes.tolist()]


def _before_kill(batch: Batch, rows: npt.NDArray[np.intp], asks: npt.NDArray[np.bool_]) -> list[int]:
    """Return those of these rows whose next signal is a SIGKILL by the same sender, within SOON_NS.

    rows: signals to inits from outside, in the order of time. asks: which records are requests so far, shape (n,).
    """
    r = batch.records
    if not (asks[rows] & (r["signal"][rows] == signals.KILL)).any():
        return []
    codes = inits(batch[rows].records)
    order = np.argsort(codes, kind="stable")
    rows, codes = rows[order], codes[order]
    one, other = rows[:-1], rows[1:]
    pairs = ~asks[one] & asks[other] & (r["signal"][other] == signals.KILL) & (codes[:-1] == codes[1:])
    pairs &= r["time"][other] - r["time"][one] <= SOON_NS
    homes, found = batch.residents, []
    for before, kill in zip(one[pairs].tolist(), other[pairs].tolist(), strict=True):
        container = homes.containers[int(homes.codes[kill])]
        if sender(batch, before, container).same(sender(batch, kill, container)):
            found.append(before)
    return found


def _before_exit(
    batch: Batch, candidates: npt.NDArray[np.bool_], asks: npt.NDArray[np.bool_]
) -> npt.NDArray[np.intp]:
    """Return the rows of the candidates that are followed by their init's own exit, within AT_ONCE_NS.

    candidates: signals to inits; asks: which records are requests so far. A candidate before another of these is left
    out. All arrays: shape (n,).
    """
    r = batch.records
    ends = flag(r, "init") & (r["stage"] == wire.STAGE["exit"])
    rows = np.flatnonzero(candidates | asks & flag(r, "init") | ends)
    codes = inits(r[rows])
    order = np.argsort(codes, kind="stable")
    one, other, same = rows[order[:-1]], rows[order[1:]], np.diff(codes[order]) == 0
    same &= candidates[one] & ends[other] & (r["exit_code"][other] & 0x7F == 0)
    found: npt.NDArray[np.intp] = one[same & (r["time"][other] - r["time"][one] <= AT_ONCE_NS)]
    return found


def sender(batch: Batch, row: int, container: Container | None) -> Asker:
    """Return the sender of the signal of a record."""
    return asker(_record(batch, row), container)


def request(batch: Batch, row: int, container: Container | None) -> SignalRequest:
    """Return a record as a request."""
    return SignalRequest(
        sender(batch, row, container),
        int(batch.records["signal"][row]),
        verdict.VERDICTS[batch.verdicts[row]],
    )


def counted(requests: Sequence[SignalRequest]) -> int:
    """Return the index of the request from which an attempt is counted; requests: in the order of time.

    With SIGKILL, it is the last request before it by the same sender, since a runtime sends its stop signal and then
    SIGKILL; without one, the last request from outside; without one, the SIGKILL itself.

    Without SIGKILL, the sender that asked last decides, where a runtime takes precedence over a person, and both over
    a process inside. Of its requests by the same signal as the last, it is the first that the program got, or else
    the first: the program needs time from then on.

    Of several SIGKILLs the first that was queued counts: another one finds it pending and has no effect.
    """
    kills = [number for number, each in enumerate(requests) if each.signal == signals.KILL]
    kill = next((each for each in kills if requests[each].verdict == "queued"), next(iter(kills), None))
    if kill is not None:
        before = [n for n in range(kill) if requests[n].asker.by != INSIDE]
        same = [n for n in range(kill) if requests[n].asker.same(requests[kill].asker)]
        return (same or before or [kill])[-1]
    runtimes = [each for each in requests if each.asker.runtime]
    outside = [each for each in requests if each.asker.by != INSIDE]
    last = (runtimes or outside or requests)[-1]
    same = [
        n for n, each in enumerate(requests) if each.asker.same(last.asker) and each.signal == last.signal
    ]
    return next((n for n in same if requests[n].taken), same[0])


def _record(batch: Batch, row: int) -> Record:
    one = batch.records[row]
    return Record(
        _RELATIONS.get(int(one["relation"]), ""),
        decode(bytes(one["target_comm"])),
        int(one["sender_pid"]),
        decode(bytes(one["sender_comm"])),
        int(one["sender_parent_pid"]),
        decode(bytes(one["sender_parent_comm"])),
        int(one["signal"]),
        int(one["code"]),
        int(one["context_pid"]),
        decode(bytes(one["context_comm"])),
        ORIGINS[batch.origins[row]],
    )


_RELATIONS = {code: name for name, code in wire.RELATION.items()}
