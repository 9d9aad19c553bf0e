"""Batches of records: the arrays that everything else reads, live or from a recording.

A batch holds the kernel's facts as recorded; names, verdicts and text are derived from them on demand, column by
column. The columns of the event table and their order are public and stable.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sigtrace.events import origin, verdict
from sigtrace.events.column_types import Column, Labels, Row, frame, json_lines, rows, text_labels
from sigtrace.events.columns import EVENT_FIELDS
from sigtrace.events.field import columns
from sigtrace.events.nskey import NsKey
from sigtrace.events.residents import Known, Residents, joined, residents

if TYPE_CHECKING:
    import pandas as pd

_DERIVED = frozenset(("verdicts", "origins"))
"""Columns that are derived from each record alone: a part of a batch has a part of them."""


class Batch:
    """Records in the order of the ring buffer.

    records: shape (n,), dtype of the wire event. boot_to_utc: ns to add to the records' CLOCK_BOOTTIME to get UTC, one
    number or one per record, shape (n,). host: the name of the machine, or of each record's machine; by default this
    one. known: the containers of the namespaces.
    """

    def __init__(
        self,
        records: npt.NDArray[np.void],
        boot_to_utc: int | npt.NDArray[np.int64],
        host: str | Labels | None = None,
        known: Known | Residents | None = None,
    ) -> None:
        self.records = records
        self.boot_to_utc = boot_to_utc
        self.host = os.uname().nodename if host is None else host
        self.known = known

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, which: npt.NDArray[np.bool_ | np.integer] | slice) -> Batch:
        """Return the rows that a mask, a slice or an array of indices selects, as a batch."""
        offset, host, known = self.boot_to_utc, self.host, self.known
        offset = offset if isinstance(offset, int) else offset[which]
        host = Labels(host.codes[which], host.names) if isinstance(host, Labels) else host
        known = Residents(known.codes[which], known.containers) if isinstance(known, Residents) else known
        part = Batch(_whole(self.records)[which].view(self.records.dtype), offset, host, known)
        for name in _DERIVED & self.__dict__.keys():
            part.__dict__[name] = self.__dict__[name][which]
        return part

    @property
    def hosts(self) -> Labels:
        """The machine of each record."""
        return self.host if isinstance(self.host, Labels) else Labels(np.zeros(len(self), "u1"), [self.host])

    @property
    def residents(self) -> Residents:
        """The container of each record's PID namespace, as far as it is known so far."""
        if isinstance(self.known, Residents):
            return self.known
        if self.known is None or not len(self):
            return Residents(np.zeros(len(self), "i1"), (None,))
        return residents(self.records["nsid"], self.records["ns_start"], self.known)

    def namespaces(self) -> list[NsKey]:
        """Return the PID namespaces of the records, each once."""
        return NsKey.from_records(self.records["nsid"], self.records["ns_start"])[0]

    @cached_property
    def verdicts(self) -> npt.NDArray[np.uint8]:
        """The verdict of each record: shape (n,), codes into `verdict.VERDICTS`."""
        return verdict.classify(self.records)

    @cached_property
    def origins(self) -> npt.NDArray[np.uint8]:
        """The origin of each record: shape (n,), codes into `origin.ORIGINS`."""
        return origin.origins(self.records)

    @property
    def weights(self) -> npt.NDArray[np.int64]:
        """How many events each record stands for, itself and those thinned before it: shape (n,)."""
        return 1 + self.records["thinned"].astype("i8")

    @property
    def time(self) -> npt.NDArray[np.datetime64]:
        """The time of each record: shape (n,), datetime64[ns], UTC."""
        return (self.records["time"].astype("i8") + self.boot_to_utc).astype("datetime64[ns]")

    def columns(self, texts: Callable[[npt.NDArray[np.bytes_]], Labels] = text_labels) -> dict[str, Column]:
        """Return the columns of the event table in their public order. texts: decodes the kernel's bytes."""
        beside: dict[str, Column] = {
            "time": self.time,
            "verdict": Labels(self.verdicts, verdict.VERDICTS),
            "origin": Labels(self.origins, origin.ORIGINS),
            "host": self.hosts,
            **self.residents.columns(),
        }
        return columns(EVENT_FIELDS, self.records, beside, texts)

    def rows(self) -> Iterator[Row]:
        """Yield each record as a dict of the event table's columns, JSON-ready; `time` is ISO 8601 with ns and a Z."""
        return rows(self.columns())

    def json_lines(self) -> Iterator[str]:
        """Yield the JSON of each of `rows`, as json.dumps writes it, ASCII only.

        It is encoded column by column, at a small part of the cost of json.dumps for each row.
        """
        return json_lines(self.columns())

    def to_pandas(self) -> pd.DataFrame:
        """Return the event table as pandas: categories for names, nullable integers for values that rows may lack.

        `time` is datetime64[ns, UTC]; `target_start` is ns of CLOCK_BOOTTIME.
        """
        return frame(self.columns())


def join(batches: Sequence[Batch]) -> Batch:
    """Concatenate one or more batches, in their order."""
    if len(batches) == 1:
        return batches[0]
    records = np.concatenate([_whole(batch.records) for batch in batches])
    offsets = [np.broadcast_to(np.asarray(batch.boot_to_utc, "i8"), len(batch)) for batch in batches]
    names = list(dict.fromkeys(name for batch in batches for name in batch.hosts.names))
    hosts = [np.array([names.index(name) for name in b.hosts.names], "i4")[b.hosts.codes] for b in batches]
    host = names[0] if len(names) == 1 else Labels(np.concatenate(hosts), names)
    first = batches[0].known
    same = not isinstance(first, Residents) and all(batch.known == first for batch in batches)
    known = first if same else joined([batch.residents for batch in batches])
    return Batch(records.view(batches[0].records.dtype), np.concatenate(offsets), host, known)


def _whole(records: npt.NDArray[np.void]) -> npt.NDArray[np.void]:
    """Return the records as opaque bytes: numpy copies a structured array member by member, which is slow."""
    return records.view(f"V{records.dtype.itemsize}")
