"""Which events of a recording: by namespace, signal and time, decided on the columns that say so alone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sigtrace import signals
from sigtrace.clock import TICK_NS
from sigtrace.errors import BadInput
from sigtrace.recording import schema

Time = int | str | datetime
"""A moment: ns UTC, a datetime (without a zone: UTC) or ISO 8601."""

Namespace = int | tuple[int, int]
"""A PID namespace by its inode, or by inode and start of its init (ns of CLOCK_BOOTTIME): inodes are reused."""


@dataclass(frozen=True)
class Filter:
    """Which events: empty or None for all."""

    ns: tuple[Namespace, ...] = ()
    signal: tuple[int, ...] = ()
    since: int | None = None
    until: int | None = None

    @classmethod
    def of(
        cls,
        ns: int | Iterable[Namespace],
        signal: int | str | Iterable[int | str],
        since: Time | None,
        until: Time | None,
    ) -> Filter:
        """As the methods of a recording take them. Raises BadInput for times it can't read, and unknown signals."""
        spaces: tuple[Namespace, ...] = (ns,) if isinstance(ns, int) else tuple(ns)
        wanted = (signal,) if isinstance(signal, (int, str)) else tuple(signal)
        numbers = tuple(signals.parse(each) if isinstance(each, str) else each for each in wanted)
        begin, end = (None if time is None else nanoseconds(time) for time in (since, until))
        return cls(spaces, numbers, begin, end)

    @property
    def columns(self) -> tuple[str, ...]:
        """What it looks at."""
        wanted = {
            "nsid": self.ns,
            "ns_start": any(isinstance(each, tuple) for each in self.ns),
            "signal": self.signal,
            "time": self.since is not None or self.until is not None,
        }
        return tuple(name for name, asked in wanted.items() if asked)

    def __call__(self, batch: pa.RecordBatch) -> npt.NDArray[np.bool_]:
        """Which rows pass: shape (n,)."""
        mask = np.ones(batch.num_rows, bool)
        if self.ns:
            starts = schema.numbers(batch["ns_start"]) if "ns_start" in batch.schema.names else None
            mask &= in_namespaces(schema.numbers(batch["nsid"]), starts, self.ns)
        if self.signal:
            mask &= np.isin(schema.numbers(batch["signal"]), self.signal)
        if self.since is not None or self.until is not None:
            time = schema.numbers(batch["time"].view(pa.int64()))
            mask &= (time >= (self.since or 0)) & (
                time < (np.iinfo("i8").max if self.until is None else self.until)
            )
        return mask


def in_namespaces(
    nsid: npt.NDArray[np.uint32], ns_start: npt.NDArray[np.uint64] | None, wanted: Iterable[Namespace]
) -> npt.NDArray[np.bool_]:
    """Which rows are of these namespaces: shape (n,). Starts agree to the clock tick, which is all /proc tells."""
    wanted = tuple(wanted)
    mask = np.isin(nsid, [each for each in wanted if isinstance(each, int)])
    pairs = [each for each in wanted if isinstance(each, tuple)]
    if pairs and ns_start is not None:
        keys = [inode << 32 ^ start // TICK_NS for inode, start in pairs]
        mask |= np.isin(nsid.astype("u8") << 32 ^ ns_start.astype("u8") // TICK_NS, np.array(keys, "u8"))
    return mask


def nanoseconds(time: Time) -> int:
    """A moment as ns UTC. Raises BadInput for text that is not ISO 8601."""
    if isinstance(time, int):
        return time
    if isinstance(time, datetime):
        aware = time if time.tzinfo else time.replace(tzinfo=timezone.utc)
        return round(aware.timestamp() * 1_000_000) * 1000
    with contextlib.suppress(ValueError):
        return nanoseconds(datetime.fromisoformat(time.strip().replace("Z", "+00:00")))
    raise BadInput(f"{time!r} is no time: write it in UTC, as 2026-11-22T07:53:45")
