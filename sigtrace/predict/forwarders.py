"""Which programs are known to pass signals on (see `forwarding_programs`), and to whom they do. No I/O."""

from __future__ import annotations

import os.path
from collections.abc import Iterable, Sequence
from typing import Protocol

from sigtrace.predict.forwarder import Act, Forwarder
from sigtrace.predict.forwarding_programs import PROGRAMS


class Member(Protocol):
    """What `receivers` needs of a process: `Relative` of `sigtrace.procfs` has it, and so may other records."""

    @property
    def pid(self) -> int: ...
    @property
    def ppid(self) -> int: ...
    @property
    def pgrp(self) -> int: ...
    @property
    def start_ticks(self) -> int: ...
    @property
    def state(self) -> str: ...


_MOST_WORDS = 256
"""Words looked at of a command line, which is as long as the process likes: parsing options takes quadratic time."""


def known(comm: str, cmdline: Sequence[str], exe: str = "") -> Forwarder | None:
    """Return the forwarding program that a process runs; None if it is not one of the known.

    cmdline: its words, empty if not known. exe: the target of /proc/PID/exe, empty if not known: it is needed only for
    a program that is called `init`.
    """
    for name in _names(comm, cmdline, exe):
        make = PROGRAMS.get(name)
        if make:
            return make(list(cmdline[1:_MOST_WORDS]))
    return None


def receivers(act: Act, pid: int, others: Iterable[Member]) -> list[int]:
    """Return the PIDs to which the program with this `pid` sends the signal, first that of the child it has started.

    others: the living processes of its namespace. PIDs, PPIDs and process groups are all seen from one namespace.
    """
    alive = sorted(
        (each for each in others if each.state not in "ZX"), key=lambda each: (each.start_ticks, each.pid)
    )
    if act.to == "nobody":
        return []
    if act.to == "everyone":
        return [each.pid for each in alive if each.pid != pid]
    # The orphans that an init inherits are descendants of that child, or of processes that joined: younger.
    children = [each.pid for each in alive if each.ppid == pid]
    if act.to == "group" and children:
        first = children[0]
        return [first, *(each.pid for each in alive if each.pgrp == first and each.pid != first)]
    return children if act.to == "children" else children[:1]


def _names(comm: str, cmdline: Sequence[str], exe: str) -> list[str]:
    """Return the names by which the program may be known, the most reliable first.

    `init` says little, as busybox, sysvinit, openrc-init and scripts share it: the executable says which one it is.
    """
    words = [os.path.basename(word) for word in cmdline[:2]]
    script = words[1:] if words and words[0].startswith(("python", "busybox")) else []
    called = [comm, *words[:1], *script]
    program = os.path.basename(exe.removesuffix(" (deleted)"))
    if program == "busybox" or words[:1] == ["busybox"]:
        return ["busybox init"] if "init" in called else []
    return [*called, program] if "init" in called else called
