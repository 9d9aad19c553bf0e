"""Arguments of the library that take one value or several, and methods that share a list of keyword arguments."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import fields
from numbers import Integral
from typing import Any, TypeVar, overload

_Value = TypeVar("_Value", bound="int | str")
_Method = TypeVar("_Method", bound=Callable[..., object])


@overload
def several(value: _Value | Iterable[_Value] | None) -> tuple[_Value, ...]: ...


@overload
def several(value: object, *single: type) -> tuple[Any, ...]: ...


def several(value: Any, *single: type) -> tuple[Any, ...]:
    """Return one or several values as a tuple, and None as none; a text is one value, not its characters.

    single: further types of which an object is one value although it can be iterated over.
    """
    if value is None:
        return ()
    if isinstance(value, (Integral, str, *single)):  # numpy's integers too: a cell of a table
        return (value,)
    return tuple(value)


def spelled_out(keywords: type, defaults: type[Any]) -> Callable[[_Method], _Method]:
    """Return the decorator of a method with `**keywords`, of which help() and notebooks then show each.

    keywords: the TypedDict of their types. defaults: a dataclass with a default for each, in the order to show.
    """

    def spelled(method: _Method) -> _Method:
        signature = inspect.signature(method)
        own = [each for each in signature.parameters.values() if each.kind is not each.VAR_KEYWORD]
        shared = [
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=field.default,
                annotation=getattr(kind := keywords.__annotations__[field.name], "__forward_arg__", kind),
            )
            for field in fields(defaults)
        ]
        method.__signature__ = signature.replace(parameters=[*own, *shared])  # type: ignore[attr-defined]
        return method

    return spelled
