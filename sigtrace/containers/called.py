"""What to type for one container: the shortest of its names and IDs that means it and no other. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from sigtrace.containers.selector import ContainerSelector
from sigtrace.errors import BadInput
from sigtrace.events.container import SHORT_ID, Container

_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/@%+=-]*")
"""What a shell and a terminal leave as it is, and what is no option."""


def called(container: Container, known: Iterable[Container]) -> str:
    """Return a word for `--container` that matches this one of the `known` containers; empty if there is none."""
    known = tuple(known)
    for word in (container.name, container.label, container.id[:SHORT_ID], container.id):
        if _PLAIN.fullmatch(word) and _matches(word, known) == {(container.runtime, container.id)}:
            return word
    return ""


def _matches(word: str, known: tuple[Container, ...]) -> set[tuple[str, str]]:
    try:
        selector = ContainerSelector((word,)).checked(known)
    except BadInput:
        return set()
    return {(each.runtime, each.id) for each in known if selector.matches(each)}
