"""The PID namespaces of a recording, their containers and their hierarchy."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from sigtrace.events.container import COLUMNS, Container
from sigtrace.events.nskey import HostNs, NsKey

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class RecordedNs:
    """One PID namespace of a recording. Times are ns UTC."""

    home: HostNs
    ns_start: int
    """Start of its init, ns of CLOCK_BOOTTIME: exact if its birth was recorded, else rounded down to a clock tick."""
    parent: HostNs | None
    """None for the initial namespace, and if not known; its start is 0 if only its inode is known."""
    level: int
    """Depth below the initial namespace; 0 if not known."""
    init_pid: int
    """0: not known."""
    init_comm: str
    born: int
    """0: not known."""
    died: int
    """0: it has not ended, or its end was not recorded."""
    container: Container | None

    @property
    def boot(self) -> tuple[str, str]:
        """Host and boot_id."""
        return self.home.host, self.home.boot_id

    @property
    def key(self) -> NsKey:
        """Its key within that boot."""
        return self.home.key

    @property
    def nsid(self) -> int:
        """Its inode, which other namespaces may have had before and after."""
        return self.home.key.inode


class Namespaces:
    """All PID namespaces of a recording, as of one moment: it gives the same answers while a recorder adds others.

    table: `Recording.namespaces()`, with one row per namespace and boot. of_events: returns the namespaces of all
    events, used only to resolve a user's name: a namespace whose birth was not recorded may be missing in the table.
    It is called once.
    """

    def __init__(
        self,
        table: pd.DataFrame,
        of_events: Callable[[], Iterable[RecordedNs]] = lambda: (),
    ) -> None:
        self.table = table
        self._of_events = of_events
        self._same: Namespaces | None = None
        """Another of the same table, which keeps what is derived from it."""

    def renewed(self) -> Namespaces:
        """Return the same namespaces of the table, for a time when there may be more events."""
        other = Namespaces(self.table, self._of_events)
        other._same = self._same or self
        return other

    def __iter__(self) -> Iterator[RecordedNs]:
        """Iterate in the order of births; namespaces of unknown birth come first."""
        return iter(self._by_home.values())

    def __len__(self) -> int:
        return len(self.table)

    def find(self, home: HostNs) -> RecordedNs | None:
        """Return the namespace with this identity, or None."""
        return self._by_home.get(home)

    def with_inode(self, inode: int) -> tuple[RecordedNs, ...]:
        """Return the namespaces that had the inode, on any host and boot, in the order of births."""
        return tuple(each for each in self._named if each.nsid == inode)

    def with_init(self, pid: int) -> tuple[RecordedNs, ...]:
        """Return the namespaces whose init had this PID, on any host and boot, in the order of births."""
        return tuple(each for each in self._named if each.init_pid == pid)

    def inodes(self) -> list[int]:
        """Return all inodes, without duplicates."""
        return list(dict.fromkeys(each.nsid for each in self._named))

    def holder(self, boot: tuple[str, str], inode: int, time: int) -> RecordedNs | None:
        """Return the namespace that had the inode at a time (ns UTC): the last one born by then."""
        born = [each for each in self._by_inode.get((boot, inode), ()) if each.born <= time]
        return born[-1] if born else None

    def of_snapshot(self, boot: tuple[str, str], nsid: int, start_ticks: int, time: int) -> HostNs:
        """Return the namespace of a row of a snapshot.

        A snapshot taken after the init was gone has no start of the init: it belongs to the namespace that had the
        inode at that time (ns UTC).
        """
        holder = None if start_ticks else self.holder(boot, nsid, time)
        return holder.home if holder else HostNs(*boot, NsKey(nsid, start_ticks))

    def below(self, above: Collection[HostNs]) -> set[HostNs]:
        """Return the namespaces below these at any depth, without these."""
        chosen, found = set(above), set()
        for each in sorted(self, key=lambda each: (each.ns_start, each.level)):  # parents come first
            if each.parent in chosen or each.parent in found:
                found.add(each.home)
        return found - chosen

    @cached_property
    def containers(self) -> dict[HostNs, Container]:
        """The container of each namespace that has one."""
        if self._same:
            return self._same.containers
        table = self.table[self.table["container_id"] != ""]
        names = ["host", "boot_id", "nsid", "ns_start", *COLUMNS, "container_stop_signal"]
        rows = zip(*(table[name].tolist() for name in names), strict=True)
        return {
            HostNs(host, boot, NsKey.of(inode, start)): Container(*facts)
            for host, boot, inode, start, *facts in rows
        }

    @cached_property
    def _named(self) -> list[RecordedNs]:
        """With those that only events know."""
        found = dict(self._by_home)
        for each in self._of_events():
            known = found.setdefault(each.home, each)
            if each.init_pid and not known.init_pid:
                found[each.home] = replace(known, init_pid=each.init_pid)
        return sorted(found.values(), key=lambda each: each.born)

    @cached_property
    def _by_home(self) -> dict[HostNs, RecordedNs]:
        if self._same:
            return self._same._by_home
        # A namespace is created after its parent, so the parent is the last namespace before it that got the inode.
        holders: dict[tuple[str, str, int], HostNs] = {}
        found = []
        for row in sorted(_rows(self.table), key=lambda row: (row["ns_start"], row["ns_level"])):
            boot = row["host"], row["boot_id"]
            home = HostNs(*boot, NsKey.of(row["nsid"], row["ns_start"]))
            above = row["parent_nsid"]
            unknown = HostNs(*boot, NsKey(above, 0)) if above else None
            found.append(_recorded(row, home, holders.get((boot[0], boot[1], above), unknown)))
            holders[boot[0], boot[1], home.key.inode] = home
        return {each.home: each for each in sorted(found, key=lambda each: each.born)}

    @cached_property
    def _by_inode(self) -> dict[tuple[tuple[str, str], int], list[RecordedNs]]:
        found: dict[tuple[tuple[str, str], int], list[RecordedNs]] = {}
        for each in self:
            found.setdefault((each.boot, each.nsid), []).append(each)
        return found


def _rows(table: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield the rows, with 0 for unknown numbers and times."""
    times = {name: table[name].astype("int64").where(table[name].notna(), 0) for name in ("born", "died")}
    numbers = {
        name: table[name].fillna(0).astype("int64") for name in ("parent_nsid", "ns_level", "init_pid")
    }
    columns = {**{name: table[name] for name in table.columns}, **numbers, **times}
    lists = [column.tolist() for column in columns.values()]
    names = [str(name) for name in columns]
    return (dict(zip(names, values, strict=True)) for values in zip(*lists, strict=True))


def _recorded(row: dict[str, Any], home: HostNs, parent: HostNs | None) -> RecordedNs:
    known = row["container_id"] != ""
    facts = [row[name] for name in (*COLUMNS, "container_stop_signal")]
    return RecordedNs(
        home=home,
        ns_start=row["ns_start"],
        parent=parent,
        level=row["ns_level"],
        init_pid=row["init_pid"],
        init_comm=row["init_comm"],
        born=row["born"],
        died=row["died"],
        container=Container(*facts) if known else None,
    )
