"""Filter the events of a recording by namespace, signal, verdict and time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sigtrace.events.nskey import HostNs, NsKey, among
from sigtrace.events.verdict import FACTS, VERDICTS
from sigtrace.recording import schema

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Filter:
    """A filter of events; an empty or None field passes everything."""

    inodes: frozenset[int] = frozenset()
    """All namespaces that had one of these inodes at any time."""
    namespaces: frozenset[NsKey | HostNs] = frozenset()
    """These namespaces also pass; a `NsKey` matches in any boot."""
    signal: tuple[int, ...] = ()
    verdict: tuple[int, ...] = ()
    """Codes into `verdict.VERDICTS`."""
    since: int | None = None
    """ns UTC."""
    until: int | None = None
    """ns UTC; the end is not included."""

    @property
    def by_namespace(self) -> bool:
        """Whether it selects namespaces."""
        return bool(self.inodes or self.namespaces)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it needs."""
        needed = {
            **dict.fromkeys(FACTS if self.verdict else (), True),
            "nsid": self.by_namespace,
            "ns_start": bool(self.namespaces),
            "signal": bool(self.signal or self.verdict),
            "time": self.since is not None or self.until is not None,
        }
        return tuple(name for name, is_needed in needed.items() if is_needed)

    def of_boot(self, boot: tuple[str, str]) -> Filter:
        """Return the filter for files of one host and boot, without the namespaces of others."""
        keys = {_on(each, boot) for each in self.namespaces} - {None}
        none = frozenset([_NOWHERE]) if self.namespaces and not keys and not self.inodes else frozenset()
        return replace(self, namespaces=frozenset(key for key in keys if key) or none)

    @property
    def keys(self) -> list[NsKey]:
        """The keys of `namespaces`, of all boots; use it after `of_boot`."""
        return [each if isinstance(each, NsKey) else each.key for each in self.namespaces]

    def of_table(self, table: pd.DataFrame) -> npt.NDArray[np.bool_]:
        """Return which rows of a table with host, boot_id, nsid and ns_start (ns) are selected: shape (n,)."""
        mask = np.zeros(len(table), bool)
        boots = table.groupby(["host", "boot_id"], observed=True, sort=False).indices
        for boot, rows in cast("dict[tuple[str, str], npt.NDArray[np.intp]]", boots).items():
            part = table.iloc[rows]
            mask[rows] = self.of_boot(boot).has(part["nsid"].to_numpy(), part["ns_start"].to_numpy())
        return mask

    def of_counts(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of the counts table that pass. Counts have no time."""
        mask = self.of_table(table)
        if self.signal:
            mask &= table["signal"].isin(self.signal).to_numpy()
        if self.verdict:
            mask &= table["verdict"].isin([VERDICTS[code] for code in self.verdict]).to_numpy()
        return table[mask]

    def takes(self, home: HostNs) -> bool:
        """Return whether the namespace is selected."""
        return home.key.inode in self.inodes or home in self.namespaces or home.key in self.namespaces

    def __call__(self, batch: pa.RecordBatch) -> npt.NDArray[np.bool_]:
        """Return which rows of a batch pass: shape (n,). Use it after `of_boot`.

        A column that did not exist yet when the events were written counts as 0, empty or null.
        """
        batch = schema.complete("events", batch, self.columns) if self.columns else batch
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
        """Return which namespaces (inodes; starts of inits in ns) are selected: shape (n,). Use it after `of_boot`."""
        if not self.by_namespace:
            return np.ones(len(nsid), bool)
        mask = np.isin(nsid, list(self.inodes))
        if ns_start is not None and self.namespaces:
            mask |= among(nsid, ns_start, self.keys)
        return mask


_NOWHERE = NsKey(0, 0)
"""A key that no namespace has: a filter that selects only namespaces of other boots must not become empty."""


def _on(namespace: NsKey | HostNs, boot: tuple[str, str]) -> NsKey | None:
    """Return its key if it matches in that boot, else None."""
    if isinstance(namespace, NsKey):
        return namespace
    return namespace.key if (namespace.host, namespace.boot_id) == boot else None
