"""Fields: the columns of the public tables, how they are made from wire records, and their documentation."""

from __future__ import annotations

import functools
import inspect
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from sigtrace.events.column_types import Column, Labels, Nullable, enum_labels, text_labels

_Records = npt.NDArray[Any]
_Function = TypeVar("_Function", bound=Callable[..., object])


@dataclass(frozen=True)
class Field:
    """A column: of a member of the wire record, or, if `member` is empty, of something that the record lacks."""

    name: str
    member: str
    """Numbers appear as they are, chars as text; see `names` and `shows` for others."""
    dtype: str
    """The dtype in pandas. A capital letter: nullable, some rows lack it."""
    meaning: str
    """The documentation, for tables in Markdown and for docstrings."""
    names: Mapping[str, int] | None = None
    """The member is one of these codes, and the column shows its name."""
    shows: Callable[[_Records], Column] | None = None
    """Makes the column of the member, shape (n,), if it shows only a part of it."""
    only: Callable[[_Records], npt.NDArray[Any]] | None = None
    """Marks the records that have it, shape (n,); None: all have."""

    @functools.cached_property
    def number(self) -> np.dtype[Any]:
        """The dtype of its numbers, without gaps."""
        return np.dtype(self.dtype.lower())

    @property
    def whole(self) -> bool:
        """Whether the member can be restored from the column."""
        return bool(self.member) and self.shows is None


def columns(
    fields: Sequence[Field],
    records: _Records,
    beside: Mapping[str, Column],
    texts: Callable[[npt.NDArray[Any]], Labels] = text_labels,
) -> dict[str, Column]:
    """Return the columns of records, in the order of the fields.

    records: shape (n,). beside: columns that are not made from the records alone. texts: decodes the kernel's bytes.
    """
    present = {rule: rule(records) for rule in {field.only for field in fields if field.only}}
    out: dict[str, Column] = {}
    for field in fields:
        if field.name in beside:
            out[field.name] = beside[field.name]
        else:
            shown = _shown(field, records[field.member], texts)
            if field.only:
                assert isinstance(shown, np.ndarray)  # Nullable has numbers
                shown = Nullable(shown.astype(field.number, copy=False), present[field.only])
            out[field.name] = shown
    return out


def _shown(field: Field, values: npt.NDArray[Any], texts: Callable[[npt.NDArray[Any]], Labels]) -> Column:
    if field.names is not None:
        return enum_labels(values, field.names)
    if field.shows is not None:
        return field.shows(values)
    return texts(values) if values.dtype.kind == "S" else values.astype(field.number, copy=False)


def names(fields: Sequence[Field]) -> tuple[str, ...]:
    """Return the names of the columns."""
    return tuple(field.name for field in fields)


def listing(fields: Sequence[Field], width: int = 110) -> str:
    """Return the columns as text: name, dtype and meaning on a line each, with the meaning wrapped if it is long."""
    name = max(len(field.name) for field in fields)
    dtype = max(len(field.dtype) for field in fields)
    hanging = " " * (name + dtype + 4)
    return "\n".join(
        textwrap.fill(
            f"{field.name:{name}}  {field.dtype:{dtype}}  {field.meaning}",
            width,
            subsequent_indent=hanging,
            break_on_hyphens=False,
        )
        for field in fields
    )


def lists(*fields: Field) -> Callable[[_Function], _Function]:
    """Decorate a function that returns a table: append the table's columns to its docstring."""

    def listed(function: _Function) -> _Function:
        if function.__doc__:
            function.__doc__ = f"{inspect.getdoc(function)}\n\n{listing(fields)}\n"
        return function

    return listed
