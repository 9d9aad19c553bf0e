"""Requests: which signals ask an init to end, and from which of them a stop is counted. The only place that says so.

A request is, as it is sent,

    SIGKILL, and the signals of `signals.STOP_REQUESTS`;
    the signal that the container is configured to be stopped with;
    any other signal from outside, if SIGKILL by the same party is the next that comes, within SOON_NS: then it was a
    stop by a signal that nobody knew of. So was a SIGHUP that is followed like that.

None is

    a SIGHUP for which the init has a handler, or which it blocks, as those do that wait for signals: that is a reload;
    a signal from the init itself, or for one that is dying or has exited;
    a SIGKILL from inside, which no init obeys;
    what the kernel sends of its own accord, but for SIGINT and SIGQUIT: these are keys of a terminal. Its SIGKILL (for
    want of memory, for the end of a namespace above, for that of a parent) asks for nothing: it ends the init;
    the SIGKILL by which a runtime ends an init that it has made and that never ran a program: that one failed to start.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sigtrace import signals
from sigtrace.clock import TICK_NS
from sigtrace.errors import BadInput
from sigtrace.events import verdict, wire
from sigtrace.events.batch import Batch
from sigtrace.events.columns import flag
from sigtrace.events.container import Container
from sigtrace.events.nskey import NsKey
from sigtrace.stops.sender import INSIDE, Asker, asker, by_its_maker
from sigtrace.text import decode
from sigtrace.units import SECOND

SOON_NS = 90 * SECOND
"""A signal that means something else to programs is a request if SIGKILL comes this soon: grace periods are shorter."""
ALWAYS = tuple(signals.members(signals.STOP_REQUESTS | signals.mask([signals.KILL])))
"""The signals that ask any init to end."""
_NEVER = tuple(range(signals.CHLD, signals.URG + 1))
"""CHLD, CONT, STOP, TSTP, TTIN, TTOU, URG: nobody stops a container with these."""
POSSIBLE = tuple(sorted(set(range(1, signals.SIGRTMAX + 1)) - set(_NEVER)))
"""The signals that may be requests."""


class Record(NamedTuple):
    """Who sent one record, and to whom: what `asker` asks for."""

    relation: str
    target_comm: str
    sender_pid: int
    sender_comm: str
    sender_parent_pid: int
    sender_parent_comm: str


class SignalRequest(NamedTuple):
    """One request of an attempt to stop an init."""

    asker: Asker
    signal: int
    verdict: str
    """What became of it as it was sent."""

    @property
    def taken(self) -> bool:
        """It was queued, and so reached the program or ended it; not dropped or ignored as it was sent."""
        return self.verdict in TAKEN


TAKEN = ("queued", "coalesced")
"""The verdicts of signals that reach the program, or end it."""


def own_stop_signal(container: Container | None) -> int:
    """The signal that its runtime stops it with; -1 if that is the usual SIGTERM, or not known."""
    try:
        return signals.parse(container.stop_signal) if container and container.stop_signal else -1
    except BadInput:  # somebody else's text
        return -1


def own_stop_signals(batch: Batch) -> npt.NDArray[np.int64]:
    """What the container of each record is stopped with, as `own_stop_signal` has it: shape (n,)."""
    homes = batch.residents
    numbers = [own_stop_signal(each) for each in homes.containers]
    found: npt.NDArray[np.int64] = np.array(numbers, "i8")[homes.codes]
    return found


def asking(batch: Batch, own: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Which records of a batch, in the order of time, are requests: shape (n,).

    own: what the container of each record is stopped with, as `own_stop_signals` has it; shape (n,).
    """
    r = batch.records
    number, relation = r["signal"], r["relation"]
    kill, by_kernel = number == signals.KILL, relation == wire.RELATION["kernel"]
    sent = (r["stage"] == wire.STAGE["generate"]) & (relation != wire.RELATION["self"])
    sent &= (batch.verdicts != verdict.CODE["dying"]) & ~_to_the_dead(batch)
    keys = np.isin(number, (signals.INT, signals.QUIT))
    sent &= ~(by_kernel & ~keys) & ~(kill & verdict.is_dropped(batch.verdicts))
    caught = (r["disposition"] == wire.DISPOSITION["handler"]) | flag(r, "blocked")
    reload = (number == signals.HUP) & (own != signals.HUP) & caught
    asks: npt.NDArray[np.bool_] = sent & (np.isin(number, ALWAYS) | (number == own)) & ~reload
    asks[failed_starts(batch)] = False
    outside = sent & flag(r, "init") & (relation == wire.RELATION["ancestor"]) & (r["sender_pid"] != 0)
    asks[_before_kill(batch, np.flatnonzero(outside & ~np.isin(number, _NEVER)), asks)] = True
    return asks


def inits(records: npt.NDArray[np.void]) -> npt.NDArray[np.intp]:
    """Which init each of these records, all of inits, is of: shape (n,), the same number for the same process."""
    codes = NsKey.from_records(records["nsid"], records["ns_start"])[1]
    within = (records["ns_start"] % TICK_NS).astype("i4")
    one = np.zeros(int(codes.max(initial=-1)) + 1, "i4")
    one[codes] = within
    if (one[codes] == within).all():
        return codes
    # An inode was used again within the tick that namespaces are told apart by; records have the ns.
    found: npt.NDArray[np.intp] = np.unique(codes * TICK_NS + within, return_inverse=True)[1]
    return found


def exits(records: npt.NDArray[np.void], codes: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """For each of these records of inits (`codes` as of `inits`), where that init's exit is: shape (n,); n: nowhere.

    Of several the first: before 6.16 each of the threads that die together may look like the last.
    """
    first = np.full(int(codes.max(initial=-1)) + 1, len(records))
    ends = np.flatnonzero(records["stage"] == wire.STAGE["exit"])[::-1]
    first[codes[ends]] = ends
    found: npt.NDArray[np.intp] = first[codes]
    return found


def _to_the_dead(batch: Batch) -> npt.NDArray[np.bool_]:
    """Which records are of an init whose exit came before: shape (n,)."""
    r = batch.records
    dead = np.zeros(len(r), bool)
    rows = np.flatnonzero(flag(r, "init"))
    if (r["stage"][rows] == wire.STAGE["exit"]).any():
        part = batch[rows].records
        dead[rows] = np.arange(len(rows)) > exits(part, inits(part))
    return dead


def failed_starts(batch: Batch) -> list[int]:
    """The SIGKILLs by which a runtime ends an init that it has made and that never ran a program: their rows."""
    r = batch.records
    own = flag(r, "init")
    born, ran = (set(_keys(r[own & (r["stage"] == wire.STAGE[stage])])) for stage in ("init", "exec"))
    if not born - ran:
        return []
    rows = np.flatnonzero(own & (r["stage"] == wire.STAGE["generate"]) & (r["signal"] == signals.KILL))
    found = zip(rows.tolist(), _keys(r[rows]), strict=True)
    return [row for row, key in found if key in born - ran and by_its_maker(_record(r[row]))]


def _keys(records: npt.NDArray[np.void]) -> list[NsKey]:
    """The namespace of each record."""
    keys, codes = NsKey.from_records(records["nsid"], records["ns_start"])
    return [keys[code] for code in codes.tolist()]


def _before_kill(batch: Batch, rows: npt.NDArray[np.intp], asks: npt.NDArray[np.bool_]) -> list[int]:
    """Those of these records, signals to inits from outside, that SIGKILL by the same party follows next and soon."""
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


def sender(batch: Batch, row: int, container: Container | None) -> Asker:
    """Who sent the signal of a record."""
    return asker(_record(batch.records[row]), container)


def request(batch: Batch, row: int, container: Container | None) -> SignalRequest:
    """The request that a record is."""
    return SignalRequest(
        sender(batch, row, container),
        int(batch.records["signal"][row]),
        verdict.VERDICTS[batch.verdicts[row]],
    )


def counted(requests: Sequence[SignalRequest]) -> int:
    """Which of an attempt's requests, in the order of time, its stop is counted from.

    With SIGKILL: the last one before by the same party, for a runtime sends one and then SIGKILL; else the last from
    outside; else SIGKILL itself. Without: the first by the party who asked last (a runtime before a person, and these
    before somebody inside) and by that signal; the first that the program got, if there is one.

    Of several SIGKILLs the first that was queued is meant: another meets one that is pending already, and adds nothing.
    """
    kills = [number for number, each in enumerate(requests) if each.signal == signals.KILL]
    kill = next((each for each in kills if requests[each].verdict == "queued"), next(iter(kills), None))
    if kill is not None:
        before = [n for n in range(kill) if requests[n].asker.by != INSIDE]
        rows = [n for n in range(kill) if requests[n].asker.same(requests[kill].asker)]
        return (rows or before or [kill])[-1]
    runtimes = [each for each in requests if each.asker.runtime]
    outside = [each for each in requests if each.asker.by != INSIDE]
    last = (runtimes or outside or requests)[-1]
    rows = [
        n for n, each in enumerate(requests) if each.asker.same(last.asker) and each.signal == last.signal
    ]
    return next((n for n in rows if requests[n].taken), rows[0])


def _record(one: np.void) -> Record:
    return Record(
        _RELATIONS.get(int(one["relation"]), ""),
        decode(bytes(one["target_comm"])),
        int(one["sender_pid"]),
        decode(bytes(one["sender_comm"])),
        int(one["sender_parent_pid"]),
        decode(bytes(one["sender_parent_comm"])),
    )


_RELATIONS = {code: name for name, code in wire.RELATION.items()}
