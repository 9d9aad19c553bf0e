"""The columns of the public tables, once: names, members of the wire record, dtypes and meanings, in public order.

Batches, counts, recordings, exports, the docstrings of a recording's methods and the tables in `docs/` follow from
what is here. A field of the wire record that people are to see is a line in `EVENT_FIELDS`, one that only sigtrace
itself asks for a line in `FACT_FIELDS`.
"""

from __future__ import annotations

import functools
import inspect
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from sigtrace.events import container, wire
from sigtrace.events.columns import Column, Labels, Nullable, enum_labels, signal_labels, text_labels

_Records = npt.NDArray[Any]
_Function = TypeVar("_Function", bound=Callable[..., object])


@dataclass(frozen=True)
class Field:
    """A column: it shows a member of the wire record, or what is known beside the record (`member` is empty)."""

    name: str
    member: str
    """Numbers appear as they are, chars as text; see `names` and `shows` for the others."""
    dtype: str
    """In pandas. A capital letter: there are rows without it."""
    meaning: str
    """For people, in a table of Markdown and in a docstring."""
    names: Mapping[str, int] | None = None
    """The member is one of these codes, and the column shows its name."""
    shows: Callable[[_Records], Column] | None = None
    """What the column has of the member, shape (n,), where that is not all of it."""
    only: Callable[[_Records], npt.NDArray[Any]] | None = None
    """Which of the records (n,) have it; None: all."""

    @functools.cached_property
    def number(self) -> np.dtype[Any]:
        """The dtype of the numbers it shows."""
        return np.dtype(self.dtype.lower())

    @property
    def whole(self) -> bool:
        """Whether the member can be made of the column again."""
        return bool(self.member) and self.shows is None


def _flag(name: str) -> Callable[[_Records], Column]:
    bit = wire.FLAG[name]
    return lambda flags: (flags & bit) != 0


def _exit_code(status: _Records) -> Column:
    return status >> 8 & 0xFF


def _exit_signal(status: _Records) -> Column:
    return status & 0x7F


def _sent(records: _Records) -> npt.NDArray[Any]:
    """By a process: the kernel has no PID."""
    sent: npt.NDArray[Any] = records["sender_pid"] != 0
    return sent


def _exits(records: _Records) -> npt.NDArray[Any]:
    exits: npt.NDArray[Any] = records["stage"] == wire.STAGE["exit"]
    return exits


_STAGE = (
    "`generate` (a signal was sent), `deliver` (the target is about to act on it), `exit` (a process ended), "
    "`init` (the init of a PID namespace was born), `exec` (an init runs a new program)"
)
_CODE = "`si_code`: 0 kill(2), -1 sigqueue(3), -6 tgkill(2), 128 the kernel, ..."
_RESULT = (
    "the tracepoint's raw result at `generate`: 0 queued, 1 ignored, 2 already pending, 3 queue full, "
    "4 queued without its siginfo; else -1"
)
_RELATION = (
    "where the sender's PID namespace stands to the target's: `same`, `ancestor`, `descendant`, `other`; "
    "`self` (its own process), `kernel`; empty if not known"
)

EVENT_FIELDS = (
    Field("time", "time", "datetime64[ns, UTC]", "when the kernel did it"),
    Field("stage", "stage", "category", _STAGE, names=wire.STAGE),
    Field("signal", "signal", "int8", "the signal's number; 0 for stages without one"),
    Field(
        "signal_name",
        "signal",
        "category",
        "the signal's name, as `SIGTERM`; empty for stages without one",
        shows=signal_labels,
    ),
    Field("code", "code", "int32", _CODE),
    Field("result", "result", "int8", _RESULT),
    Field(
        "disposition",
        "disposition",
        "category",
        "the target's for this signal: `default`, `ignore`, `handler`",
        names=wire.DISPOSITION,
    ),
    Field(
        "unkillable",
        "flags",
        "bool",
        "the target has SIGNAL_UNKILLABLE, as every namespace's init has",
        shows=_flag("unkillable"),
    ),
    Field("blocked", "flags", "bool", "the target blocks the signal", shows=_flag("blocked")),
    Field("exiting", "flags", "bool", "the target's thread group is exiting", shows=_flag("exiting")),
    Field("traced", "flags", "bool", "a debugger or strace is attached to the target", shows=_flag("traced")),
    Field("kthread", "flags", "bool", "the target is a kernel thread", shows=_flag("kthread")),
    Field("relation", "relation", "category", _RELATION, names=wire.RELATION),
    Field(
        "verdict",
        "",
        "category",
        "what became of it: `dropped_at_generate`, `queued`, `handled`, ...",
    ),
    Field("nsid", "nsid", "uint32", "inode of the PID namespace the target lives in"),
    Field("ns_level", "ns_level", "uint8", "the depth of that namespace; 0 is the initial namespace"),
    Field("target_pid", "target_pid", "int32", "the target's process (thread group)"),
    Field("target_tid", "target_tid", "int32", "the target's thread"),
    Field("target_ns_pid", "target_ns_pid", "int32", "the target's process, as its own namespace numbers it"),
    Field(
        "target_comm",
        "target_comm",
        "category",
        r"the target's name; bytes that are not UTF-8 appear as `\xNN`",
    ),
    Field(
        "target_start",
        "target_start",
        "uint64",
        "when the target started, ns of CLOCK_BOOTTIME: tells reused PIDs apart",
    ),
    Field("is_init", "flags", "bool", "the target is PID 1 of its namespace", shows=_flag("init")),
    Field("sender_pid", "sender_pid", "Int32", "the sender's process; none: the kernel", only=_sent),
    Field("sender_tid", "sender_tid", "Int32", "the sender's thread", only=_sent),
    Field("sender_comm", "sender_comm", "category", "the sender's name; empty: the kernel"),
    Field("sender_nsid", "sender_nsid", "UInt32", "inode of the sender's PID namespace", only=_sent),
    Field(
        "sender_uid",
        "sender_uid",
        "UInt32",
        "the sender's user, as the initial user namespace numbers it",
        only=_sent,
    ),
    Field(
        "sender_parent_pid",
        "sender_parent_pid",
        "Int32",
        "the sender's parent: who is behind a short-lived `runc kill`",
        only=_sent,
    ),
    Field(
        "sender_parent_comm",
        "sender_parent_comm",
        "category",
        "the name of the sender's parent; empty: the kernel",
    ),
    Field(
        "exit_code",
        "exit_code",
        "Int32",
        "at `exit`: what the process passed to exit(2)",
        shows=_exit_code,
        only=_exits,
    ),
    Field(
        "exit_signal",
        "exit_code",
        "Int32",
        "at `exit`: the signal that killed it, or 0",
        shows=_exit_signal,
        only=_exits,
    ),
    Field("host", "", "category", "host name"),
    *(Field(name, "", "category", meaning) for name, meaning in container.COLUMNS.items()),
)
"""The event table."""

FACT_FIELDS = (
    Field(
        "boot_to_utc",
        "",
        "int64",
        "what was added to the kernel's CLOCK_BOOTTIME to give `time`, ns: differs after a step of the wall clock",
    ),
    Field("seq", "seq", "uint64", "records of this stage on this CPU before this one, lost ones included"),
    Field("cpu", "cpu", "uint16", "the CPU it happened on"),
    Field(
        "ns_start",
        "ns_start",
        "uint64",
        "when the namespace's init started, ns of CLOCK_BOOTTIME: tells reused inodes apart",
    ),
    Field(
        "sender_start",
        "sender_start",
        "uint64",
        "when the sender started, ns of CLOCK_BOOTTIME; 0: the kernel",
    ),
    Field("sender_ns_level", "sender_ns_level", "uint8", "depth of the sender's PID namespace"),
    Field("flags", "flags", "uint8", "facts of the target as bits: `sigtrace_flag` in `bpf/sigtrace.h`"),
    Field("status", "exit_code", "int32", "at `exit`: as wait(2) reports it"),
)
"""What recordings keep of an event beside the event table."""

_BY_NAME = {field.name: field for field in (*EVENT_FIELDS, *FACT_FIELDS)}

COUNT_FIELDS = (
    *(
        _BY_NAME[name]
        for name in ("nsid", "ns_start", "stage", "signal", "signal_name", "result", "disposition")
    ),
    *(_BY_NAME[name] for name in ("unkillable", "blocked", "exiting", "traced", "kthread")),
    *(_BY_NAME[name] for name in ("relation", "is_init", "verdict")),
    Field("count", "count", "uint64", "how many"),
)
"""The counts table."""

TOTAL_FIELDS = (
    Field("first", "", "datetime64[ns, UTC]", "when it was first counted, to 10 s"),
    Field("last", "", "datetime64[ns, UTC]", "when it was last seen to have grown, to 10 s"),
    _BY_NAME["host"],
    Field("boot_id", "", "category", "/proc/sys/kernel/random/boot_id"),
)
"""What a recording's counts have after those of the counts table."""


def columns(
    fields: Sequence[Field],
    records: _Records,
    beside: Mapping[str, Column],
    texts: Callable[[npt.NDArray[Any]], Labels] = text_labels,
) -> dict[str, Column]:
    """The columns of records, shape (n,), in the order of the fields.

    `beside`: columns that are not of the records alone. `texts` decodes the kernel's bytes.
    """
    present = {rule: rule(records) for rule in {field.only for field in fields if field.only}}
    out: dict[str, Column] = {}
    for field in fields:
        if field.name in beside:
            out[field.name] = beside[field.name]
        else:
            shown = _shown(field, records[field.member], texts)
            if field.only:
                assert isinstance(shown, np.ndarray)  # Nullable has numbers
                shown = Nullable(shown, present[field.only])
            out[field.name] = shown
    return out


def _shown(field: Field, values: npt.NDArray[Any], texts: Callable[[npt.NDArray[Any]], Labels]) -> Column:
    if field.names is not None:
        return enum_labels(values, field.names)
    if field.shows is not None:
        return field.shows(values)
    return texts(values) if values.dtype.kind == "S" else values.astype(field.number, copy=False)


def names(fields: Sequence[Field]) -> tuple[str, ...]:
    """What the columns are called."""
    return tuple(field.name for field in fields)


def listing(fields: Sequence[Field], width: int = 110) -> str:
    """The columns as text: a line each with name, dtype and meaning, which goes on below where it is long."""
    name = max(len(field.name) for field in fields)
    dtype = max(len(field.dtype) for field in fields)
    hanging = " " * (name + dtype + 4)
    return "\n".join(
        textwrap.fill(
            f"{field.name:{name}}  {field.dtype:{dtype}}  {field.meaning}",
            width,
            subsequent_indent=hanging,
            break_on_hyphens=False,
        )
        for field in fields
    )


def lists(*fields: Field) -> Callable[[_Function], _Function]:
    """Decorates what returns a table: its docstring goes on with the table's columns."""

    def listed(function: _Function) -> _Function:
        if function.__doc__:
            function.__doc__ = f"{inspect.getdoc(function)}\n\n{listing(fields)}\n"
        return function

    return listed
