"""The table of stops: a row per attempt to stop a PID namespace's init."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd

from sigtrace import signals
from sigtrace.events.batch import Batch
from sigtrace.events.container import COLUMNS as CONTAINER
from sigtrace.recording.labels import container_labels
from sigtrace.stops.attempt import Attempt, attempts

_NAMES = (
    "host",
    "container",
    "init_comm",
    "signal_name",
    "asked_by",
    "asked_by_parent",
    "verdict",
    *CONTAINER,
)


_TIMES = ("asked", "exited")


_SPANS = ("grace", "duration")


_DTYPES = {
    **dict.fromkeys(_NAMES, "category"),
    **dict.fromkeys(_TIMES, "datetime64[ns, UTC]"),
    **dict.fromkeys(_SPANS, "timedelta64[ns]"),
    **{"nsid": "uint32", "ns_start": "uint64", "init_pid": "int32", "signal": "int8", "requests": "int64"},
    **{"dropped": "bool", "killed": "bool", "exit_code": "Int32", "exit_signal": "Int32"},
}


COLUMNS = (
    *("host", "nsid", "ns_start", "container", "init_pid", "init_comm", "asked", "signal", "signal_name"),
    *(
        "asked_by",
        "asked_by_parent",
        "verdict",
        "requests",
        "dropped",
        "grace",
        "killed",
        "exited",
        "duration",
    ),
    *("exit_code", "exit_signal", *CONTAINER),
)


def stop_table(parts: Iterable[tuple[str, Batch]]) -> pd.DataFrame:
    """Return the attempts in these batches as a table; each part: a host, and its events of one boot."""
    rows = [row for host, batch in parts for row in _rows(host, batch)]
    table = pd.DataFrame(rows, columns=[name for name in COLUMNS if name != "container"])
    for name in _TIMES:
        table[name] = pd.to_datetime(table[name].astype("Int64"), unit="ns", utc=True)
    for name in _SPANS:
        table[name] = pd.to_timedelta(table[name].astype("Int64"), unit="ns")
    table["container"] = container_labels(table)
    table = table.astype({name: dtype for name, dtype in _DTYPES.items() if name in table})
    return table[list(COLUMNS)].sort_values("asked", kind="stable", ignore_index=True)


def _rows(host: str, batch: Batch) -> Iterator[tuple[Any, ...]]:
    for attempt in attempts(batch):
        yield _row(host, attempt)


def _row(host: str, attempt: Attempt) -> tuple[Any, ...]:
    status = attempt.status
    container = attempt.container.columns if attempt.container else ("",) * len(CONTAINER)
    return (
        *(
            host,
            attempt.nsid,
            attempt.ns_start,
            attempt.init_pid,
            attempt.init_comm,
            attempt.asked,
            attempt.signal,
        ),
        *(
            signals.name(attempt.signal),
            attempt.asked_by,
            attempt.asked_by_parent,
            attempt.verdict,
            attempt.requests,
        ),
        *(attempt.dropped > 0, attempt.grace, attempt.killed, attempt.exited, attempt.duration),
        *((None, None) if status is None else (status >> 8 & 0xFF, status & 0x7F)),
        *container,
    )
