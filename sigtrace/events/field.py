"""A column of the public tables: how it is made of wire records, and how it is told to people."""

from __future__ import annotations

import functools
import inspect
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from sigtrace.events.columns import Column, Labels, Nullable, enum_labels, text_labels

_Records = npt.NDArray[Any]
_Function = TypeVar("_Function", bound=Callable[..., object])


@dataclass(frozen=True)
class Field:
    """A column: it shows a member of the wire record, or what is known beside the record (`member` is empty)."""

    name: str
    member: str
    """Numbers appear as they are, chars as text; see `names` and `shows` for the others."""
    dtype: str
    """In pandas. A capital letter: there are rows without it."""
    meaning: str
    """For people, in a table of Markdown and in a docstring."""
    names: Mapping[str, int] | None = None
    """The member is one of these codes, and the column shows its name."""
    shows: Callable[[_Records], Column] | None = None
    """What the column has of the member, shape (n,), where that is not all of it."""
    only: Callable[[_Records], npt.NDArray[Any]] | None = None
    """Which of the records (n,) have it; None: all."""

    @functools.cached_property
    def number(self) -> np.dtype[Any]:
        """The dtype of the numbers it shows."""
        return np.dtype(self.dtype.lower())

    @property
    def whole(self) -> bool:
        """Whether the member can be made of the column again."""
        return bool(self.member) and self.shows is None


def columns(
    fields: Sequence[Field],
    records: _Records,
    beside: Mapping[str, Column],
    texts: Callable[[npt.NDArray[Any]], Labels] = text_labels,
) -> dict[str, Column]:
    """The columns of records, shape (n,), in the order of the fields.

    `beside`: columns that are not of the records alone. `texts` decodes the kernel's bytes.
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
    """What the columns are called."""
    return tuple(field.name for field in fields)


def listing(fields: Sequence[Field], width: int = 110) -> str:
    """The columns as text: a line each with name, dtype and meaning, which goes on below where it is long."""
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
    """Decorates what returns a table: its docstring goes on with the table's columns."""

    def listed(function: _Function) -> _Function:
        if function.__doc__:
            function.__doc__ = f"{inspect.getdoc(function)}\n\n{listing(fields)}\n"
        return function

    return listed
