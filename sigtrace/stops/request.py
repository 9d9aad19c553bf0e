"""Requests: which signals ask an init to end, and from which of them a stop is counted. The only place that says so.

A request is, as it is sent,

    SIGKILL, and the signals of `signals.STOP_REQUESTS`;
    the signal that the container is configured to be stopped with;
    any other signal from outside, if SIGKILL by the same party is the next that comes, within SOON_NS: then it was a
    stop by a signal that nobody knew of. So was a SIGHUP that is followed like that.

None is

    a SIGHUP for which the init has a handler, or which it blocks, as those do that wait for signals: that is a reload;
    a signal from the init itself, or for one that is dying;
    a SIGKILL from inside, which no init obeys;
    what the kernel sends of its own accord, but for SIGINT and SIGQUIT: these are keys of a terminal;
    the SIGKILL by which a runtime ends an init that it has made and that never ran a program: that one failed to start.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sigtrace import signals
from sigtrace.errors import BadInput
from sigtrace.events import verdict, wire
from sigtrace.events.batch import Batch
from sigtrace.events.columns import flag
from sigtrace.events.container import Container
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


class Request(NamedTuple):
    """One request of an attempt to stop an init."""

    asker: Asker
    signal: int
    taken: bool
    """It was queued, and so reached the program or ended it; not dropped or ignored as it was sent."""


def own_stop_signal(container: Container | None) -> int:
    """The signal that its runtime stops it with; -1 if that is the usual SIGTERM, or not known."""
    try:
        return signals.parse(container.stop_signal) if container and container.stop_signal else -1
    except BadInput:  # somebody else's text
        return -1


def asking(batch: Batch, own: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Which records of a batch, in the order of time, are requests: shape (n,).

    own: what the container of each record is stopped with, as `own_stop_signal` has it; shape (n,).
    """
    r = batch.records
    number, relation = r["signal"], r["relation"]
    kill, by_kernel = number == signals.KILL, relation == wire.RELATION["kernel"]
    sent = (r["stage"] == wire.STAGE["generate"]) & (relation != wire.RELATION["self"])
    sent &= batch.verdicts != verdict.CODE["dying"]
    keys = np.isin(number, (signals.INT, signals.QUIT))
    sent &= ~(by_kernel & ~keys) & ~(kill & verdict.is_dropped(batch.verdicts))
    caught = (r["disposition"] == wire.DISPOSITION["handler"]) | flag(r, "blocked")
    reload = (number == signals.HUP) & (own != signals.HUP) & caught
    asks: npt.NDArray[np.bool_] = sent & (np.isin(number, ALWAYS) | (number == own)) & ~reload
    asks[_of_failed_starts(batch, np.flatnonzero(asks & kill & flag(r, "init")))] = False
    outside = sent & flag(r, "init") & (relation == wire.RELATION["ancestor"]) & (r["sender_pid"] != 0)
    asks[_before_kill(batch, np.flatnonzero(outside & ~np.isin(number, _NEVER)), asks)] = True
    return asks


def _of_failed_starts(batch: Batch, kills: npt.NDArray[np.intp]) -> list[int]:
    """Those of these records whose target was born, never ran a program, and is ended by who made it."""
    r = batch.records
    born, ran = (r[r["stage"] == wire.STAGE[stage]] for stage in ("init", "exec"))
    unborn = set(born[["nsid", "ns_start"]].tolist()) - set(ran[["nsid", "ns_start"]].tolist())
    found = (
        [row for row in kills.tolist() if (r["nsid"][row], r["ns_start"][row]) in unborn] if unborn else []
    )
    return [row for row in found if by_its_maker(_record(r[row]))]


def _before_kill(batch: Batch, rows: npt.NDArray[np.intp], asks: npt.NDArray[np.bool_]) -> list[int]:
    """Those of these records, signals to inits from outside, that SIGKILL by the same party follows next and soon."""
    r = batch.records
    rows = rows[np.lexsort((rows, r["ns_start"][rows], r["nsid"][rows]))]
    one, other = rows[:-1], rows[1:]
    pairs = ~asks[one] & asks[other] & (r["signal"][other] == signals.KILL)
    pairs &= (r["nsid"][one] == r["nsid"][other]) & (r["ns_start"][one] == r["ns_start"][other])
    pairs &= r["time"][other] - r["time"][one] <= SOON_NS
    homes, found = batch.residents, []
    for before, kill in zip(one[pairs].tolist(), other[pairs].tolist(), strict=True):
        container = homes.containers[int(homes.codes[kill])]
        if asker(_record(r[before]), container).same(asker(_record(r[kill]), container)):
            found.append(before)
    return found


def request(batch: Batch, row: int, container: Container | None) -> Request:
    """The request that a record is."""
    one = batch.records[row]
    taken = verdict.VERDICTS[batch.verdicts[row]] in TAKEN
    return Request(asker(_record(one), container), int(one["signal"]), taken)


TAKEN = ("queued", "coalesced")
"""The verdicts of signals that reach the program, or end it."""


def counted(requests: Sequence[Request]) -> int:
    """Which of an attempt's requests, in the order of time, its stop is counted from.

    With SIGKILL: the last one before by the same party, for a runtime sends one and then SIGKILL; else the last from
    outside; else SIGKILL itself. Without: the first by the party who asked last (a runtime before a person, and these
    before somebody inside) and by that signal; the first that the program got, if there is one.
    """
    kill = next((number for number, each in enumerate(requests) if each.signal == signals.KILL), None)
    if kill is not None:
        before = [n for n in range(kill) if requests[n].asker.by != INSIDE]
        its = [n for n in range(kill) if requests[n].asker.same(requests[kill].asker)]
        return (its or before or [kill])[-1]
    runtimes = [each for each in requests if each.asker.runtime]
    outside = [each for each in requests if each.asker.by != INSIDE]
    last = (runtimes or outside or requests)[-1]
    its = [n for n, each in enumerate(requests) if each.asker.same(last.asker) and each.signal == last.signal]
    return next((n for n in its if requests[n].taken), its[0])


def _record(one: np.void) -> Record:
    relation = next((name for name, code in wire.RELATION.items() if code == one["relation"]), "")
    return Record(
        relation,
        decode(bytes(one["target_comm"])),
        int(one["sender_pid"]),
        decode(bytes(one["sender_comm"])),
        int(one["sender_parent_pid"]),
        decode(bytes(one["sender_parent_comm"])),
    )
