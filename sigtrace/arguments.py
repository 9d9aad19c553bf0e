"""Arguments of the library: where several values may be given, one may stand by itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

_Value = TypeVar("_Value", bound="int | str")


def several(value: _Value | Iterable[_Value]) -> tuple[_Value, ...]:
    """The values, one of them or several: `"web-1"` is one text, not five characters."""
    if isinstance(value, (int, str)):
        return (value,)
    return tuple(value)
