"""What became of the signals of a recording: a table, and its rows as values; and who was hit by drops."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from sigtrace import signals
from sigtrace.clock import TICK_NS
from sigtrace.events import verdict
from sigtrace.events.container import COLUMNS as CONTAINER_COLUMNS
from sigtrace.events.container import Container
from sigtrace.events.nskey import NsKey
from sigtrace.events.origin import ORIGINS
from sigtrace.procfs.process import INITIAL_PID_NS

KEYS = (
    *(
        "host",
        "nsid",
        "container_name",
        "init_comm",
        "signal",
        "signal_name",
        "sender_comm",
        "origin",
        "verdict",
    ),
    *("count", "first", "last", "container_id", "runtime", "image", "pod", "pod_namespace"),
    *("ns_start", "init_pid"),
)
"""The keys of a line in JSON and CSV."""


@dataclass(frozen=True)
class SummaryLine:
    """The signals of one number, sender and fate in one PID namespace. Times are ns UTC."""

    host: str
    nsid: int
    ns_start: int
    init_pid: int
    """0: not known."""
    init_comm: str
    container: Container | None
    signal: int
    sender_comm: str | None
    """Empty: the kernel. None: not known (see `fates`), or there is a count only."""
    origin: str
    """How it was sent, if not by kill(2) or the like: one of `origin.ORIGINS`."""
    verdict: str
    """What became of them; `queued`: still pending, or fetched without a delivery."""
    count: int
    first: int
    last: int

    @property
    def key(self) -> NsKey:
        """The identity of the PID namespace."""
        return NsKey.of(self.nsid, self.ns_start)

    def as_dict(self) -> dict[str, object]:
        """Return the line, JSON-ready."""
        facts = self.container.columns if self.container else ("",) * len(CONTAINER_COLUMNS)
        about = dict(zip(CONTAINER_COLUMNS, facts, strict=True))
        values = {
            **about,
            "host": self.host,
            "nsid": self.nsid,
            "ns_start": self.ns_start,
            "init_pid": self.init_pid or None,
            "init_comm": self.init_comm,
            "signal": self.signal,
            "signal_name": signals.name(self.signal),
            "sender_comm": self.sender_comm,
            "origin": self.origin,
            "verdict": self.verdict,
            "count": self.count,
            "first": _iso(self.first),
            "last": _iso(self.last),
        }
        return {key: values[key] for key in KEYS}


def _iso(time: int) -> str:
    return f"{np.datetime64(time, 'ns')}Z"


@dataclass(frozen=True)
class Hit:
    """A container, or the namespaces without one whose inits have the same name, and the signals dropped for it."""

    host: str
    name: str
    """The container's label, else the name of the init, else the inode, or `host`; not safe for a terminal."""
    namespaces: frozenset[tuple[int, int]]
    """Inodes and starts (ns)."""
    dropped: int
    signals: dict[int, int]
    """How many of each number, the most first."""
    senders: dict[str | None, int]
    """How many from each, the most first; empty: the kernel, None: not known."""


class SignalTable:
    """The rows of `fates`, drops first, then by count. `boots`, `senders`: what the codes in these columns mean.

    spaces: the table of namespaces of the recording.
    """

    def __init__(
        self,
        rows: pd.DataFrame,
        boots: Sequence[tuple[str, str]],
        senders: Sequence[str],
        spaces: pd.DataFrame,
    ) -> None:
        order = np.lexsort(
            (rows["signal"], rows["nsid"], -rows["count"], ~rows["verdict"].isin(verdict.DROPPED))
        )
        self.rows = rows.iloc[order].reset_index(drop=True)
        self._boots, self._senders = boots, senders
        self._spaces = spaces

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def dropped(self) -> npt.NDArray[np.bool_]:
        """Which rows are of dropped signals: shape (n,)."""
        found: npt.NDArray[np.bool_] = self.rows["verdict"].isin(verdict.DROPPED).to_numpy()
        return found

    @cached_property
    def hosts(self) -> npt.NDArray[np.object_]:
        """The host of each row: shape (n,)."""
        names = np.array([host for host, _ in self._boots] or [""], object)
        found: npt.NDArray[np.object_] = names[self.rows["boot"].to_numpy()]
        return found

    def lines(self, which: npt.NDArray[np.intp] | slice = slice(None)) -> list[SummaryLine]:
        """Return these rows as values."""
        rows, places = self.rows.iloc[which], self._places[which]
        columns = [rows[name].tolist() for name in rows.columns]
        return [
            self._line(dict(zip(rows.columns, values, strict=True)), place)
            for *values, place in zip(*columns, places.tolist(), strict=True)
        ]

    def _line(self, row: dict[str, int], place: int) -> SummaryLine:
        host = self._boots[row["boot"]][0]
        init = (self._inits[place], self._comms[place]) if place >= 0 else (0, "")
        return SummaryLine(
            *(host, row["nsid"], row["ns_start"], *init, self._container(place), row["signal"]),
            None if row["sender"] < 0 else self._senders[row["sender"]],
            *(ORIGINS[row["origin"]], verdict.VERDICTS[row["verdict"]]),
            *(row["count"], row["first"], row["last"]),
        )

    @cached_property
    def _places(self) -> npt.NDArray[np.intp]:
        """The row in the table of namespaces of each row: shape (n,); -1: it is not there."""
        spaces = self._spaces
        if not len(spaces):
            return np.full(len(self.rows), -1)
        codes = {boot: code for code, boot in enumerate(self._boots)}
        homes = spaces[["host", "boot_id"]].astype(str).groupby(["host", "boot_id"], sort=False)
        of_homes = np.array([codes.get((str(host), str(boot)), -1) for (host, boot), _ in homes])
        keys = {
            "boot": of_homes[homes.ngroup().to_numpy()],
            "nsid": spaces["nsid"].to_numpy(),
            "tick": spaces["ns_start"].to_numpy() // TICK_NS,
        }
        known = self._spaces.iloc[:, :0].assign(**keys, place=np.arange(len(spaces)))
        wanted = self.rows[["boot", "nsid"]].assign(tick=self.rows["ns_start"] // TICK_NS)
        joined = wanted.merge(known, how="left", on=["boot", "nsid", "tick"])
        found: npt.NDArray[np.intp] = joined["place"].fillna(-1).to_numpy().astype("i8")
        return found

    @cached_property
    def _inits(self) -> list[int]:
        inits: list[int] = self._spaces["init_pid"].fillna(0).astype("i8").tolist()
        return inits

    @cached_property
    def _comms(self) -> list[str]:
        comms: list[str] = self._spaces["init_comm"].tolist()
        return comms

    @cached_property
    def _containers(self) -> list[tuple[str, ...]]:
        names = (*CONTAINER_COLUMNS, "container_stop_signal")
        return list(zip(*(self._spaces[name].tolist() for name in names), strict=True))

    def _container(self, place: int) -> Container | None:
        return Container(*self._containers[place]) if place >= 0 and self._containers[place][0] else None

    def folded(
        self, which: npt.NDArray[np.intp], most: int
    ) -> tuple[list[tuple[str, int, SummaryLine]], int]:
        """Return these rows with those of namespaces of one name as one, at most `most`; and how many there are.

        Each: the name as in `Hit`, how many namespaces it is of, and the first of the rows with the sums of all.
        """
        keys = ["name", "signal", "verdict", "sender", "origin"]
        rows = self.rows.iloc[which].assign(place=which, name=self._named(which))
        rows["home"] = rows["nsid"].to_numpy().astype("u8") << 32 ^ rows["ns_start"].to_numpy()
        groups = rows.groupby(keys, sort=False)
        sums = groups.agg(
            count=("count", "sum"),
            first=("first", "min"),
            last=("last", "max"),
            place=("place", "first"),
            homes=("home", "nunique"),
        ).reset_index()
        order = np.lexsort((-sums["count"], ~sums["verdict"].isin(verdict.DROPPED)))
        shown = sums.iloc[order[:most]]
        lines = self.lines(shown["place"].to_numpy())
        columns = [shown[name].tolist() for name in ("name", "homes", "count", "first", "last")]
        return [
            (name, homes, replace(line, count=count, first=first, last=last))
            for line, name, homes, count, first, last in zip(lines, *columns, strict=True)
        ], len(sums)

    def _named(self, which: npt.NDArray[np.intp]) -> npt.NDArray[np.object_]:
        """Return the name of each of these rows' namespace, as in `Hit`: shape (n,)."""
        names: npt.NDArray[np.object_] = self._names[self._places[which]]
        names[self.rows["nsid"].to_numpy()[which] == INITIAL_PID_NS] = "host"
        unknown = np.flatnonzero(names == "")
        names[unknown] = self.rows["nsid"].to_numpy()[which[unknown]].astype(str)
        return names

    def hits(self, most: int) -> tuple[list[Hit], int]:
        """Return who was hit by drops, the worst first, at most `most`; and how many there are."""
        rows = self.rows[self.dropped].assign(host=self.hosts[self.dropped])
        if not len(rows):
            return [], 0
        rows["name"] = self._named(np.flatnonzero(self.dropped))
        sums = (
            rows.groupby(["host", "name"], sort=False)["count"]
            .sum()
            .sort_values(ascending=False, kind="stable")
        )
        found = []
        worst = sums.head(most)
        for (host, name), dropped in zip(worst.index.tolist(), worst.tolist(), strict=True):
            own: pd.DataFrame = rows[(rows["host"] == host) & (rows["name"] == name)]
            senders = {
                None if code < 0 else self._senders[code]: count for code, count in _sums(own, "sender")
            }
            spaces = frozenset(zip(own["nsid"].tolist(), own["ns_start"].tolist(), strict=True))
            found.append(Hit(host, name, spaces, dropped, dict(_sums(own, "signal")), senders))
        return found, len(sums)

    @cached_property
    def _names(self) -> npt.NDArray[np.object_]:
        """The name of each namespace in the table of namespaces, and one that is empty, for those not there."""
        own = [
            Container(*facts).label if facts[0] else comm
            for facts, comm in zip(self._containers, self._comms, strict=True)
        ]
        return np.array([*own, ""], object)


def _sums(rows: pd.DataFrame, name: str) -> Iterator[tuple[int, int]]:
    """Yield each value of a column with the sum of the counts, the most first."""
    sums = rows.groupby(name, sort=False)["count"].sum().sort_values(ascending=False, kind="stable")
    yield from zip(sums.index.tolist(), sums.tolist(), strict=True)
