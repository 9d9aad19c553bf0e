"""Which part of a recording is meant: the words of users, understood by what the recording has."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

from sigtrace import signals
from sigtrace.clock import Time, nanoseconds
from sigtrace.containers.selector import Wanted
from sigtrace.errors import BadInput
from sigtrace.events.nskey import HostNs, NsKey
from sigtrace.events.verdict import CODE, DROPPED
from sigtrace.procfs import pidns
from sigtrace.recording.filter import Filter
from sigtrace.recording.namespaces import Namespaces, RecordedNs

if TYPE_CHECKING:
    from typing_extensions import Unpack

_Method = TypeVar("_Method", bound=Callable[..., object])

NsChoice = int | str | NsKey | HostNs | tuple[int, int]
"""A PID namespace: an inode (all that had it), any of `pidns.read_name`, a key, or (inode, ns_start in ns)."""


class Only(TypedDict, total=False):
    """The fields of a `Selection` as keyword arguments; one value may stand for a sequence of one."""

    ns: NsChoice | Iterable[NsChoice]
    container: str | Iterable[str]
    pod: str | Iterable[str]
    descendants: bool
    signal: int | str | Iterable[int | str]
    verdict: str | Iterable[str]
    since: Time | None
    until: Time | None


@dataclass(frozen=True)
class Selection:
    """A part of a recording; what is empty or None is all of it."""

    ns: tuple[NsChoice, ...] = ()
    """Only these PID namespaces."""
    container: tuple[str, ...] = ()
    """Only those of these containers: by name, label, pattern or beginning of the ID."""
    pod: tuple[str, ...] = ()
    """Only those of these pods, by NAMESPACE/NAME or pattern."""
    descendants: bool = False
    """Also the namespaces below those."""
    signal: tuple[int | str, ...] = ()
    """Only these signals, by number or name; 0 for births, execs and exits."""
    verdict: tuple[str, ...] = ()
    """Only what came of a signal: names of `verdict.VERDICTS`, or `dropped` for both kinds of drops."""
    since: Time | None = None
    """Only from this moment on, UTC."""
    until: Time | None = None
    """Only before this moment, UTC."""

    @classmethod
    def of(cls, **only: Unpack[Only]) -> Selection:
        """The selection that keyword arguments stand for."""
        several = {name: _several(only.get(name)) for name in ("ns", "container", "pod", "signal", "verdict")}
        return cls(**{**only, **several})  # type: ignore[arg-type]

    @property
    def timed(self) -> bool:
        """Whether it is about a part of the time."""
        return self.since is not None or self.until is not None

    @property
    def everywhere(self) -> bool:
        """Whether it is about all namespaces."""
        return not (self.ns or self.container or self.pod)

    def filter(self, namespaces: Callable[[], Namespaces]) -> Filter:
        """What passes, in a recording that has these namespaces, which are asked for only where words need them.

        Raises BadInput for what the recording does not have, for words that mean several things or nothing, and for
        times that can't be read.
        """
        if self.descendants and self.everywhere:
            raise BadInput(
                "--descendants goes with --ns, --container or --pod: without them, every namespace is in it anyway"
            )
        begin, end = (None if each is None else nanoseconds(each) for each in (self.since, self.until))
        numbers = tuple(signals.parse(each) if isinstance(each, str) else each for each in self.signal)
        rest = Filter(signal=numbers, verdict=_codes(self.verdict), since=begin, until=end)
        wanted = Wanted(self.container, self.pod)
        inodes, keys = set[int](), set[NsKey | HostNs]()
        for choice in self.ns:
            if isinstance(choice, int):
                inodes.add(choice)
            elif isinstance(choice, str):
                chosen = named(namespaces(), choice)
                keys |= {each.home for each in chosen}
                inode = pidns.read_name(choice).inode
                inodes |= set() if inode is None else {inode}
            else:
                keys.add(choice if isinstance(choice, (NsKey, HostNs)) else NsKey.of(*choice))
        if not wanted.empty:
            containers = namespaces().containers
            sure = wanted.checked(containers.values(), "in the recording")
            keys |= {home for home, each in containers.items() if sure.matches(each)}
        if self.descendants:
            picked = Filter(frozenset(inodes), frozenset(keys))
            keys |= namespaces().below([each.home for each in namespaces() if picked.takes(each.home)])
        return replace(rest, inodes=frozenset(inodes), namespaces=frozenset(keys))


def spelled_out(method: _Method) -> _Method:
    """The method, of whose `**only` help() and notebooks show the keywords: the fields of a `Selection`."""
    signature = inspect.signature(method)
    own = [each for each in signature.parameters.values() if each.kind is not each.VAR_KEYWORD]
    keywords = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=getattr(kind := Only.__annotations__[field.name], "__forward_arg__", kind),
        )
        for field in fields(Selection)
    ]
    method.__signature__ = signature.replace(parameters=[*own, *keywords])  # type: ignore[attr-defined]
    return method


def named(namespaces: Namespaces, text: str) -> tuple[RecordedNs, ...]:
    """The recorded namespaces that a user means by a text as `pidns.read_name` reads it, in the order of their births.

    An inode stands for all that had it, a PID for those whose init it was, and a path for the one that lives now, or
    for all that had its inode where the recording knows no such one. At least one. Raises BadInput when there is none.
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
    """The namespaces there are, for the end of a message."""
    inodes = namespaces.inodes()
    more = f" and {len(inodes) - most} more" if len(inodes) > most else ""
    return f"it has {', '.join(map(str, inodes[:most])) or 'none'}{more}"


def _several(value: Any) -> tuple[Any, ...]:
    """One or several values as several."""
    if value is None:
        return ()
    if isinstance(value, (int, str, NsKey, HostNs)):
        return (value,)
    return tuple(value)


def _codes(names: Iterable[str]) -> tuple[int, ...]:
    """Verdicts by name as codes. Raises BadInput."""
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
