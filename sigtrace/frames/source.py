"""Helpers that the analyses share: the columns of the event table, bins of time, and counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import pandas as pd

from sigtrace.errors import BadInput
from sigtrace.recording.reader import Recording

Source: TypeAlias = pd.DataFrame | Recording
"""A recording, or its event table or a part of that."""


_BINS = pd.to_timedelta(
    [
        *(
            "1us 2us 5us 10us 20us 50us 100us 200us 500us 1ms 2ms 5ms 10ms 20ms 50ms 100ms 200ms 500ms".split()
        ),
        *("1s 2s 5s 10s 15s 30s 1min 2min 5min 10min 15min 30min 1h 2h 3h 6h 12h 1D 2D 7D".split()),
    ]
)


def columns_of(source: Source, columns: Sequence[str]) -> pd.DataFrame:
    """Return these columns of the event table. Raises BadInput for a DataFrame that lacks one."""
    if isinstance(source, Recording):
        events: pd.DataFrame = source.events(columns=columns)
        return events
    if missing := [name for name in columns if name not in source]:
        raise BadInput(
            f"the table has no column {', '.join(missing)}: give the event table, recording.events(), or the recording."
        )
    return source


def nice_bin(times: pd.Series, most: int = 120) -> pd.Timedelta:
    """Return the shortest round span (1 us to 7 days) that divides these times into at most `most` bins."""
    span = times.max() - times.min() if len(times) else pd.Timedelta(0)
    fitting = [width for width in _BINS if span < width * (most - 1)]
    return pd.Timedelta(fitting[0] if fitting else _BINS[-1])


def floored(times: pd.Series, every: str | pd.Timedelta | None) -> pd.Series:
    """Return the beginning of each time's bin; every: the width of a bin, by default that of `nice_bin`.

    Raises BadInput if `every` is not a span of time.
    """
    try:
        width = nice_bin(times) if every is None else pd.Timedelta(every)
        if not width > pd.Timedelta(0):
            raise ValueError(every)
        bins: pd.Series = times.dt.floor(width)
    except ValueError as err:
        raise BadInput(f"{every!r} is not a span of time: write it as 500ms, 10s, 5min or 1h.") from err
    return bins


def counted(table: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Count events by the columns `by`: these and `count` (int64), sorted, only combinations that occur.

    table: with the column `thinned`: its rows stand for as many more.
    """
    groups = table.assign(count=weights(table)).groupby(list(by), observed=True, sort=True)
    found: pd.DataFrame = groups["count"].sum().reset_index()
    return trimmed(found.astype({"count": "int64"}))


def weights(events: pd.DataFrame) -> pd.Series:
    """Return how many events each row of an event table stands for, itself and those thinned before it: int64."""
    found: pd.Series = events["thinned"].astype("int64") + 1
    return found


def trimmed(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table without unused categories."""
    categories = [str(name) for name in table if isinstance(table[name].dtype, pd.CategoricalDtype)]
    few: pd.DataFrame = table.assign(
        **{name: table[name].cat.remove_unused_categories() for name in categories}
    )
    return few
