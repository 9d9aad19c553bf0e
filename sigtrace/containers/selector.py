"""Which containers a user means by `--container` and `--pod`. Pure: the containers there are come from the caller."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from sigtrace.errors import BadInput
from sigtrace.events.container import SHORT_ID, Container
from sigtrace.text import printable

_LEAST_OF_ID = 3
"""Characters of an ID that stand for it."""
_MOST = 8
_LONGEST = 80
"""Characters of a word that are repeated in a sentence about it."""
_PATTERN = re.compile(r"[*?[]")


@dataclass(frozen=True)
class Wanted:
    """Containers by name, label, pattern (`web-*`) or the beginning of an ID, and pods by `NAMESPACE/NAME`.

    With both, a container must be one of these in one of those. A pod without a namespace is in any.
    """

    containers: tuple[str, ...] = ()
    pods: tuple[str, ...] = ()
    names: frozenset[str] = field(default=frozenset())
    """Words that some container is called: they are no beginnings of IDs. Set by `checked`."""

    @property
    def empty(self) -> bool:
        """Whether nothing is asked for, so that everything is wanted."""
        return not (self.containers or self.pods)

    @property
    def words(self) -> tuple[str, ...]:
        """All that was asked for, as it was written."""
        return (*self.containers, *self.pods)

    def matches(self, container: Container | None) -> bool:
        """Whether it is meant."""
        if container is None or self.empty:
            return self.empty
        by_name = not self.containers or any(self._is(word, container) for word in self.containers)
        return by_name and (not self.pods or any(_in_pod(word, container) for word in self.pods))

    def checked(
        self, known: Iterable[Container], where: str = "here", wait: bool = False, later: str = ""
    ) -> Wanted:
        """The same, with its words understood among the containers there are.

        where: completes "no container ... is called". wait: those that are not there yet may come. later: else, what
        to say of these.
        Raises BadInput for a word that means nothing there, with the near ones, or more than one thing.
        """
        for word in self.words:
            if not word:
                raise BadInput(
                    "an empty name stands for no container and no pod: give one, or a pattern (web-*)"
                )
        for word in self.pods:
            if word.endswith("/") or word.count("/") > 1:
                raise BadInput(f"{_quoted(word)} is no pod: write it as NAMESPACE/NAME")
        there = list(dict.fromkeys(known))
        names = {name for each in there for name in (each.name, each.label)}
        sure = replace(self, names=frozenset(word for word in self.containers if word in names))
        inside = [each for each in there if not self.pods or any(_in_pod(word, each) for word in self.pods)]
        unless = None if wait else later
        for word in self.pods:
            _one(word, there, _in_pod, _pod_of, f"pod {where}", unless)
        for word in self.containers:
            _one(word, inside, sure._is, _identity, f"container {where}", unless)
        return sure

    def _is(self, word: str, container: Container) -> bool:
        """Whether the word means the container."""
        if _PATTERN.search(word):
            return any(fnmatchcase(name, word) for name in (container.name, container.label))
        if word in (container.name, container.label, container.id):
            return True
        return word not in self.names and len(word) >= _LEAST_OF_ID and container.id.startswith(word)


def _in_pod(word: str, container: Container) -> bool:
    namespace, slash, name = word.rpartition("/")
    if not container.pod or (slash and not fnmatchcase(container.pod_namespace, namespace)):
        return False
    return fnmatchcase(container.pod, name)


def _one(
    word: str,
    known: Sequence[Container],
    means: Callable[[str, Container], bool],
    thing: Callable[[Container], str],
    what: str,
    later: str | None,
) -> None:
    """See that the word means one thing; a pattern, as many as it likes, but at least one, unless `later` is None."""
    found = list(dict.fromkeys(thing(each) for each in known if means(word, each)))
    if len(found) > 1 and not _PATTERN.search(word):
        raise BadInput(f"{_quoted(word)} may be {_listed(found, 'or')}: say which, or give an ID")
    if found or later is None:
        return
    kind = what.partition(" ")[0]
    verb = "matches" if _PATTERN.search(word) else "is called"
    listed = _pod_of if kind == "pod" else _label
    full = list(dict.fromkeys(name for each in known if (name := listed(each))))
    short = [each.name for each in known if each.name and kind == "container"]
    near = _near(word, list(dict.fromkeys([*short, *full])))
    if kind == "container" and any(each.id.startswith(word) for each in known):
        hint = f"of an ID, give {_LEAST_OF_ID} characters at least"
    elif near:
        hint = f"did you mean {_listed(near, 'or')}?"
    elif full:
        hint = f"there {'is' if len(full) == 1 else 'are'} {_listed(sorted(full), 'and')}"
    else:
        hint = f"there is no {kind} that sigtrace can name"
    raise BadInput(f"no {what} {verb} {_quoted(word)}: {hint}{later}")


def _near(word: str, names: Sequence[str]) -> list[str]:
    """The names that somebody may have meant, in their order."""
    import difflib

    lower = {name: name.lower() for name in names}
    close = difflib.get_close_matches(word.lower(), list(lower.values()), _MOST)
    return sorted(name for name, text in lower.items() if text in close or word.lower() in text)


def _quoted(word: str) -> str:
    return repr(word if len(word) <= _LONGEST else f"{word[:_LONGEST]}...")


def _label(container: Container) -> str:
    return container.label


def _pod_of(container: Container) -> str:
    return "/".join(part for part in (container.pod_namespace, container.pod) if part)


def _identity(container: Container) -> str:
    """What tells containers apart that people would not call the same; a restarted one is the same."""
    return f"{container.label} ({container.runtime})" if container.name else container.id[:SHORT_ID]


def _listed(things: Sequence[str], conjunction: str) -> str:
    """`a, b or c`, at most a few."""
    shown = [printable(thing) for thing in things[:_MOST]]
    if len(things) > _MOST:
        return f"{', '.join(shown)} and {len(things) - _MOST} more"
    return f" {conjunction} ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
