"""Resolve a user's selection of a part of a recording against the namespaces of the recording."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from numbers import Integral
from typing import TYPE_CHECKING, TypedDict

from sigtrace import signals
from sigtrace.arguments import several
from sigtrace.containers.selector import ContainerSelector
from sigtrace.errors import BadInput
from sigtrace.events.nskey import HostNs, NsKey
from sigtrace.events.verdict import CODE, DROPPED
from sigtrace.moments import Time, nanoseconds
from sigtrace.procfs import pidns
from sigtrace.recording.filter import Filter
from sigtrace.recording.namespaces import Namespaces, RecordedNs

if TYPE_CHECKING:
    from typing_extensions import Unpack

NsChoice = int | str | NsKey | HostNs | tuple[int, int]
"""A PID namespace: an inode (all that had it), any of `pidns.read_name`, a key, or, as one of several, a pair of inode
and ns_start in ns."""


class Only(TypedDict, total=False):
    """The fields of a `Selection` as keyword arguments; a single value stands for a sequence of one."""

    ns: int | str | NsKey | HostNs | Iterable[NsChoice]
    container: str | Iterable[str]
    pod: str | Iterable[str]
    descendants: bool
    signal: int | str | Iterable[int | str]
    verdict: str | Iterable[str]
    since: Time | None
    until: Time | None


@dataclass(frozen=True)
class Selection:
    """A part of a recording; an empty or None field selects everything."""

    ns: tuple[NsChoice, ...] = ()
    """Only these PID namespaces."""
    container: tuple[str, ...] = ()
    """Only namespaces of these containers, by name, label, pattern or beginning of the ID."""
    pod: tuple[str, ...] = ()
    """Only namespaces of these pods, by NAMESPACE/NAME or pattern."""
    descendants: bool = False
    """Include the namespaces below those."""
    signal: tuple[int | str, ...] = ()
    """Only these signals, by number or name; 0 for births, execs and exits."""
    verdict: tuple[str, ...] = ()
    """Only these verdicts: names of `verdict.VERDICTS`, or `dropped` for both kinds of drops."""
    since: Time | None = None
    """Only from this time on, UTC."""
    until: Time | None = None
    """Only before this time, UTC."""

    @classmethod
    def of(cls, **only: Unpack[Only]) -> Selection:
        """Make a selection from keyword arguments."""
        many = {name: several(only.get(name)) for name in ("container", "pod", "signal", "verdict")}
        return cls(**{**only, **many, "ns": several(only.get("ns"), NsKey, HostNs)})  # type: ignore[arg-type]

    @property
    def timed(self) -> bool:
        """Whether it selects a part of the time."""
        return self.since is not None or self.until is not None

    @property
    def everywhere(self) -> bool:
        """Whether it selects all namespaces."""
        return not (self.ns or self.container or self.pod)

    def filter(self, namespaces: Callable[[], Namespaces]) -> Filter:
        """Return the filter for a recording with these namespaces, which are read only if a name needs them.

        Raises BadInput for what the recording does not contain, for ambiguous names, and for invalid times.
        """
        if self.descendants and self.everywhere:
            raise BadInput(
                "--descendants goes with --ns, --container or --pod: without them, every namespace is in it anyway"
            )
        begin, end = (None if each is None else nanoseconds(each) for each in (self.since, self.until))
        numbers = tuple(signals.parse(each) if isinstance(each, str) else each for each in self.signal)
        rest = Filter(signal=numbers, verdict=_codes(self.verdict), since=begin, until=end)
        namespaces = functools.cache(namespaces)  # all names mean those of one moment
        selector = ContainerSelector(self.container, self.pod)
        inodes, keys = set[int](), set[NsKey | HostNs]()
        for choice in self.ns:
            if isinstance(choice, (int, Integral)):  # numpy's too: a cell of the event table
                inodes.add(int(choice))
            elif isinstance(choice, str):
                chosen = named(namespaces(), choice)
                keys |= {each.home for each in chosen}
                name = pidns.read_name(choice)
                inodes |= set() if name.inode is None else {name.inode}
            elif isinstance(choice, (NsKey, HostNs)):
                keys.add(choice)
            else:
                inode, start = choice
                keys.add(NsKey.of(inode, start))
        if not selector.empty:
            containers = namespaces().containers
            selector = selector.checked(containers.values(), "in the recording")
            keys |= {home for home, each in containers.items() if selector.matches(each)}
        if self.descendants:
            picked = Filter(frozenset(inodes), frozenset(keys))
            keys |= namespaces().below([each.home for each in namespaces() if picked.takes(each.home)])
        return replace(rest, inodes=frozenset(inodes), namespaces=frozenset(keys))


def named(namespaces: Namespaces, text: str) -> tuple[RecordedNs, ...]:
    """Return the recorded namespaces that a user names, in any form of `pidns.read_name`, in the order of births.

    An inode stands for all namespaces that had it, a PID for those with this init. A path stands for the namespace
    that lives now, or, if that is not recorded, for all that had its inode. Raises BadInput if there is none.
    """
    name = pidns.read_name(text)
    if name.other is not None:
        raise BadInput(f"{name.text} is {name.other}, not a PID namespace: {_listed(namespaces)}")
    if name.pid is not None:
        found = namespaces.with_init(name.pid)
    elif name.inode is not None:
        found = namespaces.with_inode(name.inode)
    else:
        inode = pidns.nsid_of_path(name.path or "")
        had, living = namespaces.with_inode(inode), pidns.survey().find(inode)
        start = living.ns_start if living else None
        key = None if start is None else NsKey.from_proc(inode, start)
        found = tuple(each for each in had if each.key == key) or had
    if not found:
        raise BadInput(f"the recording has no PID namespace {text!r}: {_listed(namespaces)}")
    return found


def _listed(namespaces: Namespaces, most: int = 8) -> str:
    """List the namespaces of the recording, for the end of a message."""
    inodes = namespaces.inodes()
    more = f" and {len(inodes) - most} more" if len(inodes) > most else ""
    return f"it has {', '.join(map(str, inodes[:most])) or 'none'}{more}"


def _codes(names: Iterable[str]) -> tuple[int, ...]:
    """Convert names of verdicts to codes. Raises BadInput."""
    import difflib

    codes: list[int] = []
    for name in names:
        if name == "dropped":
            codes += DROPPED
        elif name in CODE:
            codes.append(CODE[name])
        else:
            near = difflib.get_close_matches(name, ["dropped", *CODE], n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(CODE)}."
            raise BadInput(f"{name!r} is not a verdict: {hint}")
    return tuple(codes)
