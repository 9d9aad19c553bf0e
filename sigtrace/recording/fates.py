"""What became of each signal: its generation and its delivery, which the kernel reports separately, as one fate.

A signal that is not queued has its fate when it is generated: dropped, ignored, coalesced with one that is pending. One
that is queued has it when a thread takes it: its handler runs, its default action is carried out, or an init drops it
after all. The kernel does not report who had sent a signal that is taken, nor that sigwait(3) or a signalfd took one.
So the fates are joined by counting, for each namespace and signal, inits and others apart:

    delivered as often as queued     each queued signal has the fate of the deliveries
    delivered less often             the rest is still pending, or was fetched without a delivery: `queued`
    delivered more often             the rest was queued before the time in question: its senders are not known
    several senders, several fates   which sender's signal had which fate is not known: senders are left out

SIGKILL is carried out as it is queued: complete_signal() ends the thread group, and every thread then "delivers" a
SIGKILL that nobody sent. Its deliveries therefore say nothing, and are left out.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from sigtrace import signals
from sigtrace.events import wire
from sigtrace.events.verdict import CODE

SIGNAL = ["boot", "nsid", "ns_start", "signal"]
"""The columns that tell the signals of a namespace apart."""
SENT = [*SIGNAL, "is_init", "stage", "verdict", "sender", "origin"]
"""The key of the rows that `fates` takes; sender -1: not known."""
_WHO = ["sender", "origin"]
_TIMES = {"count": "sum", "first": "min", "last": "max"}
_DELIVER = wire.STAGE["deliver"]
_QUEUED = CODE["queued"]


def fates(sent: pd.DataFrame) -> pd.DataFrame:
    """Return a row per signal of a namespace, fate and sender: the columns of SIGNAL, verdict, sender, origin, count,
    first, last.

    sent: the same by stage: the columns of SENT, count, first and last. `verdict` and `origin` are codes.
    """
    kill = sent["signal"] == signals.KILL
    sent = sent[~(kill & (sent["stage"] == _DELIVER))].copy()
    sent.loc[(sent["signal"] == signals.KILL) & (sent["verdict"] == _QUEUED), "verdict"] = CODE[
        "default_action"
    ]
    taken = sent["stage"] == _DELIVER
    queued = ~taken & (sent["verdict"] == _QUEUED)
    parts = [sent[~taken & ~queued], *_joined(sent[queued], sent[taken])]
    whole = pd.concat(parts)
    keys = [*SIGNAL, "verdict", "sender", "origin"]
    found: pd.DataFrame = whole.groupby(keys, sort=False, as_index=False).agg(_TIMES)
    return found


def _joined(queued: pd.DataFrame, taken: pd.DataFrame) -> list[pd.DataFrame]:
    """Return the rows of the signals that were queued or taken, by their fate."""
    group = pd.concat([queued, taken]).groupby([*SIGNAL, "is_init"], sort=False).ngroup().to_numpy()
    of_queued, of_taken = group[: len(queued)], group[len(queued) :]
    groups = int(group.max(initial=-1)) + 1
    sums = [
        np.bincount(of, part["count"], groups).astype("i8")
        for of, part in ((of_queued, queued), (of_taken, taken))
    ]
    rest, surplus = np.maximum(sums[0] - sums[1], 0), np.maximum(sums[1] - sums[0], 0)
    senders = np.bincount(of_queued, minlength=groups)
    kinds = np.bincount(of_taken, minlength=groups) + (rest > 0)
    whole = (kinds == 1) & (senders > 0)
    one = (senders == 1) & (surplus == 0)
    # Of one fate: each sender's signals have it, and what was taken beyond these is nobody's.
    verdict = np.full(groups, _QUEUED, "i8")
    verdict[of_taken] = taken["verdict"]
    same = queued[whole[of_queued]].assign(verdict=verdict[of_queued[whole[of_queued]]])
    beyond = whole & (surplus > 0)
    early = taken[beyond[of_taken]].assign(count=surplus[of_taken[beyond[of_taken]]])
    # Of several: with one sender, all are its own.
    apart = ~whole
    sender = pd.DataFrame({"sender": np.full(groups, -1), "origin": np.zeros(groups, "i8")})
    single = one[of_queued]
    sender.loc[of_queued[single], _WHO] = queued[_WHO].to_numpy()[single]
    parts = taken[apart[of_taken]].copy()
    parts[_WHO] = sender[_WHO].to_numpy()[of_taken[apart[of_taken]]]
    mixed = apart & (rest > 0)
    left = queued[mixed[of_queued]].copy()
    its = of_queued[mixed[of_queued]]
    left[_WHO] = sender[_WHO].to_numpy()[its]
    left["group"] = its
    left = left.groupby("group", as_index=False).agg({**dict.fromkeys(queued.columns, "first"), **_TIMES})
    left["count"] = rest[np.unique(its)]
    return [same, early, parts, left[list(queued.columns)]]
