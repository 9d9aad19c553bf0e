"""Columns of the public tables: numbers, texts with few distinct values, or numbers with gaps; as JSON and pandas."""

from __future__ import annotations

import functools
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
    """A column of text with few distinct values: `codes`, shape (n,), index `names`."""

    codes: npt.NDArray[np.integer]
    names: Sequence[str]

    def tolist(self) -> list[str]:
        """Return the text of each row."""
        return np.array(self.names, object)[self.codes].tolist() if len(self.codes) else []


@dataclass(frozen=True)
class Nullable:
    """A column of numbers that some rows lack: `present`, shape (n,), marks those that have one."""

    values: npt.NDArray[np.integer]
    present: npt.NDArray[np.bool_]

    def tolist(self) -> list[int | None]:
        """Return the numbers, with None for rows that lack one."""
        out = self.values.astype(object)
        out[~self.present] = None
        numbers: list[int | None] = out.tolist()
        return numbers


Column = npt.NDArray[np.generic] | Labels | Nullable

Row = dict[str, str | int | bool | None]
"""A row of a table, JSON-ready: column name -> value."""


def flag(records: npt.NDArray[np.void], name: str) -> npt.NDArray[np.bool_]:
    """Return one of the bits packed in `flags`, by its name in `wire.FLAG`: shape (n,), bool."""
    has: npt.NDArray[np.bool_] = (records["flags"] & wire.FLAG[name]) != 0
    return has


def enum_labels(codes: npt.NDArray[np.integer], enum: Mapping[str, int]) -> Labels:
    """Return codes of a wire enum with its names; an unknown code becomes `unknown:7`."""
    names = list(enum)
    if len(codes) and int(codes.max()) >= len(names):
        names += [f"unknown:{code}" for code in range(len(names), int(codes.max()) + 1)]
    return Labels(codes, names)


def signal_labels(numbers: npt.NDArray[np.integer]) -> Labels:
    """Return signal numbers with their names."""
    return Labels(numbers, _SIGNAL_NAMES)


def text_labels(raw: npt.NDArray[np.bytes_]) -> Labels:
    """Decode the kernel's bytes, each distinct value once."""
    unique, codes = np.unique(raw, return_inverse=True)
    return Labels(codes, [text.decode(bytes(value)) for value in unique])


_SIGNAL_NAMES = tuple(signals.name(number) for number in range(256))


def rows(columns: Mapping[str, Column]) -> Iterator[Row]:
    """Yield each row of the columns as a dict, JSON-ready."""
    lists = [_json_ready(column) for column in columns.values()]
    names = tuple(columns)
    return (dict(zip(names, values, strict=True)) for values in zip(*lists, strict=True))


def _json_ready(column: Column) -> list[Any]:
    if isinstance(column, np.ndarray) and column.dtype.kind == "M":
        stamps = np.datetime_as_string(column.astype("M8[ns]", copy=False), unit="ns")
        return [f"{stamp}Z" for stamp in stamps.tolist()]
    return column.tolist()


def json_lines(columns: Mapping[str, Column]) -> Iterator[str]:
    """Yield the JSON of each row of the columns, as json.dumps writes it.

    A column with one value in all rows, as most have in a storm, is a part of the template. The first never is: it
    tells how many rows there are.
    """
    members: list[str] = []
    texts: list[list[Any]] = []
    for name, column in columns.items():
        only = _only(column) if members else None
        found = _json_texts(column if only is None else only)
        if only is None:
            texts.append(found)
        members.append(f'"{name}": {"%s" if only is None else str(found[0]).replace("%", "%%")}')
    template = "{" + ", ".join(members) + "}"
    return (template % row for row in zip(*texts, strict=True))


def _only(column: Column) -> Column | None:
    """Return the first row of a column if all the others are the same; None if they differ, or there is none."""
    if isinstance(column, Labels):
        return Labels(np.zeros(1, "u1"), [column.names[column.codes[0]]]) if _alike(column.codes) else None
    if isinstance(column, Nullable):
        alike = _alike(column.present) and (not column.present[0] or _alike(column.values))
        return Nullable(column.values[:1], column.present[:1]) if alike else None
    return column[:1] if _alike(column) else None


def _alike(values: npt.NDArray[np.generic]) -> bool:
    return len(values) > 0 and bool((values == values[0]).all())


def _json_texts(column: Column) -> list[Any]:
    """Return the column's values as JSON text; numbers stay numbers, which `%s` formats."""
    if isinstance(column, Labels):
        return Labels(column.codes, [_quoted(name) for name in column.names]).tolist()
    if isinstance(column, Nullable):
        return ["null" if value is None else value for value in column.tolist()]
    if column.dtype == bool:
        return ["true" if value else "false" for value in column.tolist()]
    texts = _json_ready(column)
    return [f'"{stamp}"' for stamp in texts] if column.dtype.kind == "M" else texts


@functools.lru_cache(maxsize=4096)
def _quoted(name: str) -> str:
    return json.dumps(name)


def frame(columns: Mapping[str, Column]) -> pd.DataFrame:
    """Return columns as pandas: categories for names, nullable integers, UTC times."""
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
