"""The columns of a snapshot's rows, which a recording stores under the same names. No I/O, no numpy, no pyarrow."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Literal

Type = Literal["int", "str", "bool"]
SnapshotRow = dict[str, int | str | bool]

TRIGGERS = ("signalled", "dropped", "killed", "exited", "outlived", "asked")
"""The reasons for a snapshot: an init was sent a stop signal that was not dropped; a signal to it was dropped; it was
sent a SIGKILL that was not dropped; it exited; its namespace outlived it by more than a second; a user took one."""

COLUMNS: Mapping[str, Type] = MappingProxyType(
    {
        # The snapshot; these values are the same in all rows.
        "time": "int",  # its start, ns UTC
        "nsid": "int",  # inode of the PID namespace
        "ns_start": "int",  # start of the namespace's init in clock ticks since boot; 0 = no init is left
        "trigger": "str",
        "again": "bool",  # a later snapshot for the same reason
        # The task; tid 0 is the namespace itself, whose row has 0, "" and False here.
        "pid": "int",  # of the process, in the initial namespace
        "tid": "int",
        "ns_pid": "int",  # of the process, in the namespace that it lives in
        "task_nsid": "int",  # that namespace: `nsid`, or one below it
        "is_init": "bool",  # of the namespace that it lives in
        "comm": "str",
        "state": "str",  # one letter, as in /proc/PID/stat
        "exiting": "bool",  # PF_EXITING: in do_exit(), or a zombie
        "start_ticks": "int",  # of the process
        "threads": "int",  # of the process, including exited ones that are not reaped
        "ppid": "int",
        "pgrp": "int",  # process group, in the initial namespace
        "session": "int",  # the same
        "parent_comm": "str",
        "parent_outside": "bool",  # the parent lives neither in this namespace nor below it
        "tracer_pid": "int",
        "tracer_comm": "str",
        "wchan": "str",
        "stack": "str",  # the kernel's functions, innermost first, separated by blanks
        "pending": "str",  # masks: 16 hexadecimal digits, as in /proc/PID/status; SigPnd
        "shared_pending": "str",  # ShdPnd
        "blocked": "str",
        "ignored": "str",
        "caught": "str",
        "awaited": "str",  # the signals it waits for in sigtimedwait(2); "" = not readable
        "signalfd": "str",  # union of the masks of its signalfds; "" = not readable, or not looked for
        "queue_used": "int",  # SigQ
        "queue_limit": "int",
        "core_dumping": "bool",
        "frozen": "str",  # the cgroup version that freezes it
        "rss_kib": "int",
        "cgroup": "str",  # its path: in cgroup v2, else in the v1 freezer
        "cmdline": "str",  # words joined by blanks
        # The namespace; in its own row only.
        "tasks": "int",  # threads in it and below it
        "left_out": "int",  # tasks without a row, because there were too many
        "pids_current": "int",  # of the init's cgroup; -1 = not known
        "pids_max": "int",  # -1 = no limit, or not known
        "oom_kills": "int",  # oom_kill of memory.events or memory.oom_control; -1 = not known
        "under_oom": "bool",  # v1: its tasks wait for memory, because the OOM killer is disabled
        "problem": "str",  # what is missing, as a sentence
    }
)

_EMPTY: Mapping[Type, int | str | bool] = {"int": 0, "str": "", "bool": False}


def missing(names: Collection[str]) -> SnapshotRow:
    """Return the columns that are not among these names, each with 0, "" or False."""
    return {name: _EMPTY[kind] for name, kind in COLUMNS.items() if name not in names}


def row(**values: int | str | bool) -> SnapshotRow:
    """Make a row with these values, and 0, "" or False in the other columns. Raises KeyError for unknown columns."""
    for name in values:
        COLUMNS[name]
    return {name: values.get(name, _EMPTY[kind]) for name, kind in COLUMNS.items()}
