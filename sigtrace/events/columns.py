"""The only definition of the columns of the public tables: names, wire members, dtypes and meanings, in public order.

Batches, counts, recordings, exports, the docstrings of `Recording` and the tables in `docs/` are derived from it. A
wire member that users see is a line in `EVENT_FIELDS`; one that only sigtrace needs is a line in `FACT_FIELDS`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy.typing as npt

from sigtrace.events import container, wire
from sigtrace.events.column_types import Column, signal_labels
from sigtrace.events.field import Field

_Records = npt.NDArray[Any]


def _flag(name: str) -> Callable[[_Records], Column]:
    bit = wire.FLAG[name]
    return lambda flags: (flags & bit) != 0


def _exit_code(status: _Records) -> Column:
    return status >> 8 & 0xFF


def _exit_signal(status: _Records) -> Column:
    return status & 0x7F


def _sent(records: _Records) -> npt.NDArray[Any]:
    """Mark the records with a process as sender: the kernel as sender has no PID."""
    sent: npt.NDArray[Any] = records["sender_pid"] != 0
    return sent


def _in_context(records: _Records) -> npt.NDArray[Any]:
    """Mark the records with a context: signals that the kernel itself sent while a process ran."""
    known: npt.NDArray[Any] = records["context_pid"] != 0
    return known


def _exits(records: _Records) -> npt.NDArray[Any]:
    exits: npt.NDArray[Any] = records["stage"] == wire.STAGE["exit"]
    return exits


_STAGE = (
    "`generate` (a signal was sent), `deliver` (the target is about to act on it), `exit` (a process ended), "
    "`init` (the init of a PID namespace was born), `exec` (an init runs a new program)"
)
_CODE = (
    "`si_code`: 0 kill(2), -1 sigqueue(3), -6 tgkill(2), 128 the kernel, ...; programs can claim others with "
    "rt_sigqueueinfo(2)"
)
_NOINFO = (
    "sent without siginfo (SEND_SIG_NOINFO): through `cgroup.kill`, by PR_SET_PDEATHSIG or PTRACE_KILL, and "
    "on Linux 7.3 by kill(2); at `deliver`: the thread dies with its process"
)
_CONTEXT = (
    "the process in whose context the kernel itself sent it: who called reboot(2) or closed the terminal, but for a "
    "timer whoever ran; none: a process sent it"
)
_ORIGIN = (
    "how it was sent, if not by kill(2) or the like: `cgroup_kill`, `parent_death`, `ptrace_kill`, `reboot`, `hangup`, "
    "`key`, `resize`, `forged`; empty: by kill(2), or by the kernel for another reason"
)
_RESULT = (
    "the tracepoint's raw result at `generate`: 0 queued, 1 ignored, 2 already pending, 3 queue full, "
    "4 queued without its siginfo; else -1"
)
_THINNED = (
    "how many more of the same kind (the columns of the counts table) were counted on that CPU since the record "
    "before, without one of their own: a record stands for 1 + `thinned` events"
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
    Field("noinfo", "flags", "bool", _NOINFO, shows=_flag("noinfo")),
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
        r"the target's name, that of its first thread; bytes that are not UTF-8 appear as `\xNN`",
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
    Field("context_pid", "context_pid", "Int32", _CONTEXT, only=_in_context),
    Field("context_comm", "context_comm", "category", "its name; empty: none"),
    Field("context_nsid", "context_nsid", "UInt32", "inode of its PID namespace", only=_in_context),
    Field("origin", "", "category", _ORIGIN),
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
    Field("thinned", "thinned", "uint32", _THINNED),
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
    Field("sender_flags", "sender_flags", "uint8", "`sigtrace_sender_flag` in `bpf/sigtrace.h`"),
    Field("flags", "flags", "uint8", "facts of the target as bits: `sigtrace_flag` in `bpf/sigtrace.h`"),
    Field("status", "exit_code", "int32", "at `exit`: as wait(2) reports it"),
)
"""The columns that recordings keep of an event in addition to the event table."""

_BY_NAME = {field.name: field for field in (*EVENT_FIELDS, *FACT_FIELDS)}

COUNT_FIELDS = (
    *(
        _BY_NAME[name]
        for name in ("nsid", "ns_start", "stage", "signal", "signal_name", "result", "disposition")
    ),
    *(_BY_NAME[name] for name in ("unkillable", "blocked", "exiting", "traced", "kthread")),
    *(_BY_NAME[name] for name in ("relation", "is_init", "verdict")),
    Field("count", "count", "uint64", "how many"),
    Field(
        "thinned", "thinned", "uint64", "how many of them have no record, being too many in too short a time"
    ),
)
"""The counts table."""

TOTAL_FIELDS = (
    Field("first", "", "datetime64[ns, UTC]", "when it was first counted, to 10 s"),
    Field("last", "", "datetime64[ns, UTC]", "when it was last seen to have grown, to 10 s"),
    _BY_NAME["host"],
    Field("boot_id", "", "category", "/proc/sys/kernel/random/boot_id"),
)
"""The columns that a recording's counts have in addition to the counts table."""
