"""Arguments of the library that take one value or several."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

_Value = TypeVar("_Value", bound="int | str")


def several(value: _Value | Iterable[_Value]) -> tuple[_Value, ...]:
    """Return one or several values as a tuple; a text is one value, not its characters."""
    if isinstance(value, (int, str)):
        return (value,)
    return tuple(value)
