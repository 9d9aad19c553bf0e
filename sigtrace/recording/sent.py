"""The signals of a recording by stage, namespace, verdict and sender, of its events and of its counts: for `fates`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from sigtrace.events import verdict, wire
from sigtrace.events.column_types import flag
from sigtrace.events.origin import origins
from sigtrace.recording.fates import SENT
from sigtrace.text import decode

if TYPE_CHECKING:
    from sigtrace.events.batch import Batch

_NUMBERS = {"count": "sum", "first": "min", "last": "max"}
_DTYPES = {
    **dict.fromkeys(
        ("boot", "signal", "stage", "verdict", "sender", "origin", "count", "first", "last"), "i8"
    ),
    **{"nsid": "u4", "ns_start": "u8", "is_init": "bool"},
}
_LATEST = np.iinfo("i8").max

_UNKNOWN = 255
"""The code of a stage that this version does not know: a newer one's, or of a damaged recording."""


def without_event(counted: pd.DataFrame, parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the rows of the counts with what the events of `parts` lack of them, without a sender."""
    seen = [part.assign(count=-part["count"], first=_LATEST, last=0) for part in parts]
    keys = [name for name in SENT if name not in ("sender", "origin")]
    rest = (
        pd.concat([counted, *seen])
        .groupby(keys, sort=False, as_index=False)
        .agg({"count": "sum", "first": "min", "last": "max"})
    )
    return rest[rest["count"] > 0].assign(sender=-1, origin=0)


def nothing() -> pd.DataFrame:
    """Return such a table without rows."""
    return pd.DataFrame({name: np.zeros(0, kind) for name, kind in _DTYPES.items()})


def of_counts(counts: pd.DataFrame, boots: dict[tuple[str, str], int]) -> pd.DataFrame:
    """Return the kernel's counts with codes for their words; boots: the codes of hosts and boots, which may grow."""
    homes = counts[["host", "boot_id"]].astype(str)
    of_homes = homes.groupby(["host", "boot_id"], sort=False)
    codes = np.array(
        [boots.setdefault((str(host), str(boot)), len(boots)) for (host, boot), _ in of_homes], "i8"
    )
    return pd.DataFrame(
        {
            "boot": codes[of_homes.ngroup().to_numpy()] if len(codes) else np.zeros(0, "i8"),
            **{name: counts[name].to_numpy() for name in ("nsid", "ns_start", "signal", "is_init")},
            "stage": _codes(counts["stage"], wire.STAGE),
            "verdict": _codes(counts["verdict"], verdict.CODE),
            "sender": -1,
            "origin": 0,
            "count": counts["count"].to_numpy().astype("i8"),
            **{name: counts[name].astype("i8").to_numpy() for name in ("first", "last")},
        }
    ).astype(_DTYPES)


def _codes(words: pd.Series, codes: Mapping[str, int]) -> npt.NDArray[np.int64]:
    """Return the code of each row's word, of a column of categories: shape (n,); _UNKNOWN for what has none."""
    of_categories = np.array([codes.get(word, _UNKNOWN) for word in words.cat.categories], "i8")
    found: npt.NDArray[np.int64] = of_categories[words.cat.codes] if len(words) else np.zeros(0, "i8")
    return found


def of_events(batch: Batch, names: dict[str, int]) -> pd.DataFrame:
    """Return the signals in a batch by the columns of SENT, but for the boot, with count, first and last (ns UTC).

    names: the codes of the senders, which grow.
    """
    r = batch.records
    keys = {
        "nsid": _flat(r["nsid"]),
        "ns_start": _flat(r["ns_start"]),
        "signal": _flat(r["signal"]),
        "is_init": flag(r, "init"),
        "stage": _flat(r["stage"]),
        "verdict": batch.verdicts,
        "name": pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(16), len(r), [None, pa.py_buffer(_flat(r["sender_comm"]))]
        ).dictionary_encode(),
        "origin": origins(r),
        "known": (r["sender_pid"] != 0) | (r["relation"] == wire.RELATION["kernel"]),
    }
    comms = [decode(each) for each in keys["name"].dictionary.to_pylist()]
    keys["name"] = keys["name"].indices
    table = pa.table({**keys, "time": batch.time.astype("i8"), "weight": batch.weights})
    table = table.filter(pa.array(r["stage"] <= wire.STAGE["deliver"]))
    groups = table.group_by(list(keys), use_threads=False)
    found = groups.aggregate([("weight", "sum"), ("time", "min"), ("time", "max")]).to_pandas()
    codes = np.array([names.setdefault(comm, len(names)) for comm in comms] or [0], "i8")
    found["sender"] = np.where(found["known"], codes[found["name"]], -1)
    found = found.drop(columns=["name", "known"])
    found = found.rename(columns={"weight_sum": "count", "time_min": "first", "time_max": "last"})
    keyed = [name for name in SENT if name != "boot"]
    joined = found.groupby(keyed, sort=False, as_index=False).agg(
        {"count": "sum", "first": "min", "last": "max"}
    )
    typed: pd.DataFrame = joined.astype({name: kind for name, kind in _DTYPES.items() if name != "boot"})
    return typed


def _flat(column: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.ascontiguousarray(column)
