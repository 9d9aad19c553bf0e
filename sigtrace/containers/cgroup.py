"""Find the container of a process by its cgroups: /proc/PID/cgroup of cgroup v1, hybrid and v2. No I/O.

Runtimes make the names, in forms that their descriptors list: a directory `ID`, or a systemd unit `PREFIX-ID.scope`.
The components above (slices, `/../..` seen from inside a cgroup namespace, the cgroups of an outer container) do not
matter: the deepest component that names a container wins.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from sigtrace.containers.hint import HEX, Candidate, Clue, is_id
from sigtrace.containers.runtimes.registry import RUNTIMES
from sigtrace.text import decode

_MAX_LINES, _MAX_COMPONENTS = 64, 64
"""Far more than real hosts have; a process can nest its cgroups as deep as it likes."""
_FORMS = sorted(
    ((form, runtime.runtime) for runtime in RUNTIMES for form in runtime.cgroups),
    key=lambda each: each[0].below != "",
)
"""Forms that match a component by itself come first: they are more specific than those that need the one above."""
_BARE = re.compile(HEX)
_MANAGER, _SLICE = re.compile(r"\buser@(\d{1,9})\.service\b"), re.compile(r"\buser-(\d{1,9})\.slice\b")
_ESCAPED = re.compile(r"\\x([0-9a-f]{2})")


@dataclass(frozen=True)
class Reading:
    """The result of `read`."""

    clue: Clue | None
    """The innermost container that a path names in a known form."""
    candidates: tuple[Candidate, ...]
    """Components below that one, deepest first."""
    uid: int | None
    """The user whose systemd slice the process is in."""
    delegated: bool
    """The cgroups are below that user's service manager, so the user may have made them."""


def read(membership: bytes) -> Reading:
    """Read /proc/PID/cgroup. Its hierarchies may differ: the one with most nested containers wins."""
    best: tuple[int, Clue | None] = (0, None)
    paths = dict.fromkeys(_paths(membership))
    for path in paths:
        depth, clue = _innermost(path)
        if depth > best[0]:
            best = (depth, clue)
    clue = best[1]
    candidates: dict[Candidate, None] = {}
    for path in paths:
        start = _index_below(path, clue) if clue else 0
        if start is not None:
            candidates |= dict.fromkeys(_candidates(path, start))
    whole = clue.path if clue else "\n".join("/".join(path) for path in paths)
    manager, slice_ = _MANAGER.search(whole), _SLICE.search(whole)
    uid = manager or slice_
    return Reading(clue, tuple(candidates), int(uid[1]) if uid else None, manager is not None)


def _paths(membership: bytes) -> Iterator[tuple[str, ...]]:
    """Yield the components of each line's path. A line is `ID:controllers:/path`; the path may contain colons."""
    for line in membership.splitlines()[:_MAX_LINES]:
        parts = line.split(b":", 2)
        if len(parts) == 3:
            path = decode(parts[2]).removesuffix(" (deleted)")
            components = (_unescape(part) for part in path.split("/") if part not in ("", ".", ".."))
            yield tuple(components)[:_MAX_COMPONENTS]


def _innermost(path: tuple[str, ...]) -> tuple[int, Clue | None]:
    """Return the number of nested containers of one path, and the deepest of them."""
    depth, found = 0, None
    for index in range(len(path)):
        if clue := _named(path, index):
            depth, found = depth + 1, clue
    return depth, found


def _named(path: tuple[str, ...], index: int) -> Clue | None:
    """Return the container that the component at `index` names in a known form."""
    component, above = path[index], path[index - 1] if index else ""
    whole = "/" + "/".join(path[: index + 1])
    for form, runtime in _FORMS:
        match = form.component.fullmatch(component) if form.below in ("", above) else None
        if match and is_id(match[1]):
            pod = form.pod.fullmatch(above) if form.pod else None
            return Clue(match[1], runtime, "", pod[1] if pod else "", form.namespace, path=whole)
    if _BARE.fullmatch(component):
        return Clue(component, path=whole)
    return None


def _candidates(path: tuple[str, ...], start: int) -> Iterator[Candidate]:
    for index in range(len(path) - 1, start - 1, -1):
        whole = "/" + "/".join(path[: index + 1])
        component, above = path[index], path[index - 1] if index else ""
        # systemd's scopes are PREFIX-ID.scope, and either part may contain a dash
        bare = component.removesuffix(".scope")
        names = [component] if bare == component else [bare, bare.partition("-")[2]]
        yield from (Candidate(name, above, whole) for name in names if is_id(name))


def _index_below(path: tuple[str, ...], clue: Clue) -> int | None:
    """Return the index after the component that gave the clue; None if this path does not have it."""
    for index in range(len(path), 0, -1):
        if (named := _named(path, index - 1)) and named.id == clue.id:
            return index
    return None


def _unescape(component: str) -> str:
    """Decode the escapes of systemd for characters that a unit's name may not contain: `\\x2d` (systemd.unit(5))."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), component)
