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

    With both, a container has to match one of each. A pod without a namespace matches in any namespace.
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
        by_name = not self.containers or any(self._is(word, container) for word in self.containers)
        return by_name and (not self.pods or any(_in_pod(word, container) for word in self.pods))

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
            _check_word(word, containers, _in_pod, f"pod {where}", wait)
        for word in self.containers:
            _check_word(word, in_pods, checked._is, f"container {where}", wait)
        return checked

    def _is(self, word: str, container: Container) -> bool:
        """Return whether the word selects the container."""
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


def _check_word(
    word: str, known: Sequence[Container], matches: Callable[[str, Container], bool], what: str, wait: bool
) -> None:
    """Check that the word matches exactly one thing, or a pattern at least one; with `wait` it may match none.

    what: "container" or "pod", then where it was looked for.
    """
    kind = what.partition(" ")[0]
    identity, listed = (_pod_of, _pod_of) if kind == "pod" else (_identity, _label)
    found = list(dict.fromkeys(identity(each) for each in known if matches(word, each)))
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
