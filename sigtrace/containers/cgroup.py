"""Find the container of a process by its cgroups: /proc/PID/cgroup of cgroup v1, hybrid and v2. No I/O.

Runtimes make the names, in forms that their descriptors list: a directory `ID`, or a systemd unit `PREFIX-ID.scope`.
The components above (slices, `/../..` seen from inside a cgroup namespace, the cgroups of an outer container) do not
matter: the deepest component that names a container wins.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from sigtrace.containers.hint import HEX, Candidate, Clue, is_id
from sigtrace.containers.runtimes.podman import PODS
from sigtrace.containers.runtimes.registry import RUNTIMES
from sigtrace.procfs.membership import parse
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

    clues: tuple[Clue, ...]
    """The containers that a path names in a known form, innermost first: each is in the next."""
    candidates: tuple[Candidate, ...]
    """Components below the innermost of these, deepest first."""
    uid: int | None
    """The user whose systemd slice the process is in."""
    delegated: bool
    """The cgroups are below that user's service manager, so the user may have made them."""


def read(membership: bytes) -> Reading:
    """Read /proc/PID/cgroup. Its hierarchies may differ: the one with most nested containers wins."""
    paths = dict.fromkeys(paths_of(membership))
    clues = max((_nested(path) for path in paths), key=len, default=())
    clue = clues[0] if clues else None
    candidates: dict[Candidate, None] = {}
    for path in paths:
        start = _index_below(path, clue) if clue else 0
        if start is not None:
            candidates |= dict.fromkeys(_candidates(path, start))
    whole = clue.path if clue else "\n".join("/".join(path) for path in paths)
    manager, slice_ = _MANAGER.search(whole), _SLICE.search(whole)
    uid = manager or slice_
    return Reading(clues, tuple(candidates), int(uid[1]) if uid else None, manager is not None)


def paths_of(membership: bytes) -> Iterator[tuple[str, ...]]:
    """Yield the components of the path in each hierarchy, as in `Clue.path`."""
    for _, path in islice(parse(membership), _MAX_LINES):
        shown = decode(os.fsencode(path)).removesuffix(" (deleted)")
        components = (_unescape(part) for part in shown.split("/") if part not in ("", ".", ".."))
        yield tuple(components)[:_MAX_COMPONENTS]


def _nested(path: tuple[str, ...]) -> tuple[Clue, ...]:
    """Return the containers that one path names, innermost first. The ID of a pod of Podman's is none."""
    found = [
        clue
        for index in range(len(path))
        if (clue := _named(path, index)) and (clue.runtime or path[index - 1 : index] != PODS)
    ]
    return tuple(reversed(found))


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
