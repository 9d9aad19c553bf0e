"""Match containers against `--container` and `--pod`. Pure functions: the caller gives the containers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from sigtrace.errors import BadInput, NoSuchContainer
from sigtrace.events.container import SHORT_ID, Container
from sigtrace.text import printable

_LEAST_OF_ID = 3
"""The shortest beginning of an ID that is accepted: a shorter one is likely to be a mistyped name."""
_MOST = 8
"""Names listed in a message."""
_LONGEST = 80
"""Characters of a user's word that a message repeats."""
_PATTERN = re.compile(r"[*?[]")


@dataclass(frozen=True)
class ContainerSelector:
    """Containers by name, label, pattern (`web-*`) or beginning of an ID, and pods by `NAMESPACE/NAME`.

    With both, a container has to match one of each. A pod without a namespace matches in any namespace. A word among
    the containers may also be a pod, in full (`checkout-7d4f`) or with its namespace (`shop/checkout-*`), and then
    means all containers of it.
    """

    containers: tuple[str, ...] = ()
    pods: tuple[str, ...] = ()
    names: frozenset[str] = field(default=frozenset())
    """Words that are names of containers, and so do not count as beginnings of IDs. Set by `checked`."""

    @property
    def empty(self) -> bool:
        """Whether nothing is selected, so that everything matches."""
        return not (self.containers or self.pods)

    @property
    def words(self) -> tuple[str, ...]:
        """All words, as the user wrote them."""
        return (*self.containers, *self.pods)

    def matches(self, container: Container | None) -> bool:
        """Return whether the container is selected; None, which is no container, matches only if all do.

        Nor does one that is only claimed.
        """
        if container is None or not container.id or self.empty:
            return self.empty
        by_name = not self.containers or any(self._means(word, container) for word in self.containers)
        return by_name and (not self.pods or any(_in_pod(word, container) for word in self.pods))

    def singles_out(self, container: Container) -> bool:
        """Return whether a word is for this container itself, not for all of its pod."""
        return any(self._is(word, container) and not _is_pod(word, container) for word in self.containers)

    def checked(
        self, known: Iterable[Container], where: str = "here", wait: bool = False
    ) -> ContainerSelector:
        """Return the selector with its words checked against the known containers.

        where: completes "no container ... is called". wait: a word that matches nothing yet is no error.
        Raises NoSuchContainer, with similar names, for a word that matches nothing, and BadInput for one that is
        invalid or ambiguous.
        """
        for word in self.words:
            if not word:
                raise BadInput(
                    "an empty name matches no container and no pod: give a name, or a pattern (web-*)"
                )
        for word in self.pods:
            if word.endswith("/") or word.count("/") > 1:
                raise BadInput(f"{_quoted(word)} is not a pod: write it as NAMESPACE/NAME")
        containers = list(dict.fromkeys(each for each in known if each.id))
        names = {name for each in containers for name in (each.name, each.label)}
        checked = replace(self, names=frozenset(word for word in self.containers if word in names))
        in_pods = [
            each for each in containers if not self.pods or any(_in_pod(word, each) for word in self.pods)
        ]
        for word in self.pods:
            _check_word(word, containers, _pod_if, f"pod {where}", wait)
        for word in self.containers:
            _check_word(word, in_pods, checked._called, f"container {where}", wait)
        return checked

    def _means(self, word: str, container: Container) -> bool:
        """Return whether the word selects the container: by what it is called, or by its pod."""
        return self._is(word, container) or (word not in self.names and _is_pod(word, container))

    def _called(self, word: str, container: Container) -> str:
        """Return what the word selects, as people say it: the container, or its pod; empty if neither."""
        if self._is(word, container):
            return _identity(container)
        return _pod_of(container) if self._means(word, container) else ""

    def _is(self, word: str, container: Container) -> bool:
        """Return whether the word is what the container is called."""
        if _PATTERN.search(word):
            return any(fnmatchcase(name, word) for name in (container.name, container.label))
        if word in (container.name, container.label, container.id):
            return True
        return word not in self.names and len(word) >= _LEAST_OF_ID and container.id.startswith(word)


def _is_pod(word: str, container: Container) -> bool:
    """Return whether a word that may be a container's is its pod: without a namespace, only the pod's whole name."""
    return _in_pod(word, container) if "/" in word else bool(word) and word == container.pod


def _in_pod(word: str, container: Container) -> bool:
    namespace, slash, name = word.rpartition("/")
    if not container.pod or (slash and not fnmatchcase(container.pod_namespace, namespace)):
        return False
    return fnmatchcase(container.pod, name)


def _check_word(
    word: str, known: Sequence[Container], called: Callable[[str, Container], str], what: str, wait: bool
) -> None:
    """Check that the word matches exactly one thing, or a pattern at least one; with `wait` it may match none.

    called: what a word selects of a container, empty if nothing. what: "container" or "pod", then where it was looked
    for.
    """
    kind = what.partition(" ")[0]
    listed = _pod_of if kind == "pod" else _label
    found = list(dict.fromkeys(name for each in known if (name := called(word, each))))
    if len(found) > 1 and not _PATTERN.search(word):
        raise BadInput(f"{_quoted(word)} may be {_listed(found, 'or')}: say which, or give an ID")
    if found or wait:
        return
    verb = "matches" if _PATTERN.search(word) else "is called"
    full = list(dict.fromkeys(name for each in known if (name := listed(each))))
    short = [each.name for each in known if each.name and kind == "container"]
    near = _near(word, list(dict.fromkeys([*short, *full])))
    if kind == "container" and any(each.id.startswith(word) for each in known):
        hint = f"give at least {_LEAST_OF_ID} characters of an ID"
    elif near:
        hint = f"did you mean {_listed(near, 'or')}?"
    elif full:
        hint = f"there {'is' if len(full) == 1 else 'are'} {_listed(sorted(full), 'and')}"
    else:
        hint = f"there is no {kind} that sigtrace can name"
    raise NoSuchContainer(f"no {what} {verb} {_quoted(word)}: {hint}")


def _near(word: str, names: Sequence[str]) -> list[str]:
    """Return the names that are similar to the word, sorted."""
    import difflib

    lower = {name: name.lower() for name in names}
    close = difflib.get_close_matches(word.lower(), list(lower.values()), _MOST)
    return sorted(name for name, text in lower.items() if text in close or word.lower() in text)


def _quoted(word: str) -> str:
    return repr(word if len(word) <= _LONGEST else f"{word[:_LONGEST]}...")


def _pod_if(word: str, container: Container) -> str:
    return _pod_of(container) if _in_pod(word, container) else ""


def _label(container: Container) -> str:
    return container.label


def _pod_of(container: Container) -> str:
    return "/".join(part for part in (container.pod_namespace, container.pod) if part)


def _identity(container: Container) -> str:
    """Identify a container as people do: a restarted one counts as the same."""
    return f"{container.label} ({container.runtime})" if container.name else container.id[:SHORT_ID]


def _listed(things: Sequence[str], conjunction: str) -> str:
    """Format as `a, b or c`, with at most _MOST of them."""
    shown = [printable(thing) for thing in things[:_MOST]]
    if len(things) > _MOST:
        return f"{', '.join(shown)} and {len(things) - _MOST} more"
    return f" {conjunction} ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
