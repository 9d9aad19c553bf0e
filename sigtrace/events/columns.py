"""Columns of the public tables: arrays of numbers, of few different texts, or with gaps; as JSON and as pandas."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sigtrace import signals, text
from sigtrace.events import wire

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Labels:
    """A column of few different texts: `codes` (n,) index `names`."""

    codes: npt.NDArray[np.integer]
    names: Sequence[str]

    def tolist(self) -> list[str]:
        """The text of each row."""
        return np.array(self.names, object)[self.codes].tolist() if len(self.codes) else []


@dataclass(frozen=True)
class Nullable:
    """A column of numbers that some rows do not have: `present` (n,) says which do."""

    values: npt.NDArray[np.integer]
    present: npt.NDArray[np.bool_]

    def tolist(self) -> list[int | None]:
        """The numbers, None where there is none."""
        out = self.values.astype(object)
        out[~self.present] = None
        numbers: list[int | None] = out.tolist()
        return numbers


Column = npt.NDArray[np.generic] | Labels | Nullable

Row = dict[str, str | int | bool | None]
"""A row of a table, JSON-ready: what each column has, by name."""


def flag(records: npt.NDArray[np.void], name: str) -> npt.NDArray[np.bool_]:
    """One of the facts packed in `flags`, by its name in `wire.FLAG`: shape (n,)."""
    has: npt.NDArray[np.bool_] = (records["flags"] & wire.FLAG[name]) != 0
    return has


def enum_labels(codes: npt.NDArray[np.integer], enum: Mapping[str, int]) -> Labels:
    """Codes of a wire enum with its names; a code it does not know becomes `unknown:7`."""
    names = list(enum)
    if len(codes) and int(codes.max()) >= len(names):
        names += [f"unknown:{code}" for code in range(len(names), int(codes.max()) + 1)]
    return Labels(codes, names)


def signal_labels(numbers: npt.NDArray[np.integer]) -> Labels:
    """Signal numbers with their names."""
    return Labels(numbers, _SIGNAL_NAMES)


def text_labels(raw: npt.NDArray[np.bytes_]) -> Labels:
    """Kernel bytes as text, each different one decoded once."""
    unique, codes = np.unique(raw, return_inverse=True)
    return Labels(codes, [text.decode(bytes(value)) for value in unique])


_SIGNAL_NAMES = tuple(signals.name(number) for number in range(256))


def rows(columns: Mapping[str, Column]) -> Iterator[Row]:
    lists = [_json_ready(column) for column in columns.values()]
    names = tuple(columns)
    return (dict(zip(names, values, strict=True)) for values in zip(*lists, strict=True))


def _json_ready(column: Column) -> list[Any]:
    if isinstance(column, np.ndarray) and column.dtype.kind == "M":
        stamps = np.datetime_as_string(column.astype("M8[ns]", copy=False), unit="ns")
        return [f"{stamp}Z" for stamp in stamps.tolist()]
    return column.tolist()


def json_lines(columns: Mapping[str, Column]) -> Iterator[str]:
    """What json.dumps makes of each row of the columns."""
    template = "{" + ", ".join(f'"{name}": %s' for name in columns) + "}"
    texts = [_json_texts(column) for column in columns.values()]
    return (template % row for row in zip(*texts, strict=True))


def _json_texts(column: Column) -> list[Any]:
    """The column's values as JSON; numbers stay numbers, for `%s` to write."""
    if isinstance(column, Labels):
        return Labels(column.codes, [json.dumps(name) for name in column.names]).tolist()
    if isinstance(column, Nullable):
        return ["null" if value is None else value for value in column.tolist()]
    if column.dtype == bool:
        return ["true" if value else "false" for value in column.tolist()]
    texts = _json_ready(column)
    return [f'"{stamp}"' for stamp in texts] if column.dtype.kind == "M" else texts


def frame(columns: Mapping[str, Column]) -> pd.DataFrame:
    """Columns as pandas: categories for names, nullable integers, UTC times."""
    import pandas as pd

    table: pd.DataFrame = pd.DataFrame({name: _series(column) for name, column in columns.items()})
    return table


def _series(column: Column) -> Any:
    import pandas as pd

    if isinstance(column, Labels):
        place = {name: number for number, name in enumerate(dict.fromkeys(column.names))}
        codes = np.array([place[name] for name in column.names], "i4")[column.codes]
        return pd.Categorical.from_codes(codes, pd.Index(list(place)))
    if isinstance(column, Nullable):
        return pd.arrays.IntegerArray(column.values.copy(), ~column.present)
    if column.dtype.kind == "M":
        return pd.Series(column, dtype="datetime64[ns]").dt.tz_localize("UTC")
    return column
