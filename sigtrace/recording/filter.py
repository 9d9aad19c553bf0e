"""Which events of a recording pass: by namespace, signal, verdict and time, and which columns it takes to say so."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sigtrace.events.nskey import HostNs, NsKey, among
from sigtrace.events.verdict import FACTS
from sigtrace.recording import schema

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Filter:
    """Which events; what is empty or None lets all pass."""

    inodes: frozenset[int] = frozenset()
    """Every namespace that had one of these, whatever else had it before and after."""
    namespaces: frozenset[NsKey | HostNs] = frozenset()
    """These namespaces besides; a `NsKey` is of whichever boot."""
    signal: tuple[int, ...] = ()
    verdict: tuple[int, ...] = ()
    """Codes into `verdict.VERDICTS`."""
    since: int | None = None
    """ns UTC."""
    until: int | None = None
    """ns UTC; the end is not included."""

    @property
    def by_namespace(self) -> bool:
        """Whether namespaces were chosen."""
        return bool(self.inodes or self.namespaces)

    @property
    def columns(self) -> tuple[str, ...]:
        """What it looks at."""
        wanted = {
            **dict.fromkeys(FACTS if self.verdict else (), True),
            "nsid": self.by_namespace,
            "ns_start": bool(self.namespaces),
            "signal": bool(self.signal or self.verdict),
            "time": self.since is not None or self.until is not None,
        }
        return tuple(name for name, asked in wanted.items() if asked)

    def of_boot(self, boot: tuple[str, str]) -> Filter:
        """The same for files of one host and boot: namespaces of others are no longer in it."""
        keys = {_on(each, boot) for each in self.namespaces} - {None}
        none = frozenset([_NOWHERE]) if self.namespaces and not keys and not self.inodes else frozenset()
        return replace(self, namespaces=frozenset(key for key in keys if key) or none)

    @property
    def keys(self) -> list[NsKey]:
        """The namespaces that were chosen by key; those of other boots are in it until `of_boot`."""
        return [each if isinstance(each, NsKey) else each.key for each in self.namespaces]

    def of_table(self, table: pd.DataFrame) -> npt.NDArray[np.bool_]:
        """Which rows of a table with host, boot_id, nsid and ns_start (ns) are of chosen namespaces: shape (n,)."""
        mask = np.zeros(len(table), bool)
        boots = table.groupby(["host", "boot_id"], observed=True, sort=False).indices
        for boot, rows in cast("dict[tuple[str, str], npt.NDArray[np.intp]]", boots).items():
            its = table.iloc[rows]
            mask[rows] = self.of_boot(boot).has(its["nsid"].to_numpy(), its["ns_start"].to_numpy())
        return mask

    def takes(self, home: HostNs) -> bool:
        """Whether the namespace was chosen."""
        return home.key.inode in self.inodes or home in self.namespaces or home.key in self.namespaces

    def __call__(self, batch: pa.RecordBatch) -> npt.NDArray[np.bool_]:
        """Which rows of a batch pass, after `of_boot`: shape (n,)."""
        mask = np.ones(batch.num_rows, bool)
        if self.by_namespace:
            starts = schema.numbers(batch["ns_start"]) if self.namespaces else None
            mask &= self.has(schema.numbers(batch["nsid"]), starts)
        if self.signal:
            mask &= np.isin(schema.numbers(batch["signal"]), self.signal)
        if self.verdict:
            mask &= np.isin(schema.verdicts(batch), self.verdict)
        if self.since is not None or self.until is not None:
            time = schema.numbers(batch["time"].view(pa.int64()))
            mask &= (time >= (self.since or 0)) & (
                time < (np.iinfo("i8").max if self.until is None else self.until)
            )
        return mask

    def has(
        self, nsid: npt.NDArray[np.uint32], ns_start: npt.NDArray[np.uint64] | None = None
    ) -> npt.NDArray[np.bool_]:
        """Which of these namespaces (inodes; starts of inits in ns) were chosen: shape (n,). After `of_boot`."""
        if not self.by_namespace:
            return np.ones(len(nsid), bool)
        mask = np.isin(nsid, list(self.inodes))
        if ns_start is not None and self.namespaces:
            mask |= among(nsid, ns_start, self.keys)
        return mask


_NOWHERE = NsKey(0, 0)
"""No namespace has this key."""


def _on(namespace: NsKey | HostNs, boot: tuple[str, str]) -> NsKey | None:
    """Its key if it may be of that boot."""
    if isinstance(namespace, NsKey):
        return namespace
    return namespace.key if (namespace.host, namespace.boot_id) == boot else None
