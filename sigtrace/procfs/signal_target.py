"""The state of a process that decides what the kernel does with a signal to it. No I/O.

`sigtrace.procfs.target.read_target` fills a `Target` from /proc, and `sigtrace.predict.kernel_rules.predict`
applies the kernel's rules to it. Masks are as in /proc/PID/status: bit n-1 stands for signal n.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sigtrace import signals
from sigtrace.text import shorten

Disposition = Literal["default", "ignore", "handler"]
Relation = Literal["same", "ancestor", "descendant", "other", "kernel", "self"]
"""How the sender's PID namespace is related to the target's: an `ancestor` contains it."""

Frozen = Literal["", "v1", "v2"]
"""The version of the cgroup freezer that freezes the target, if any. Only v2 lets a fatal signal through."""


@dataclass(frozen=True)
class Thread:
    """One thread of a target (`struct task_struct`)."""

    tid: int
    state: str = "S"
    blocked: int = 0
    pending: int = 0
    """The thread's own queue (SigPnd), not that of the process."""
    awaited: int | None = 0
    """The signals it waits for in sigtimedwait(2); 0 = it does not wait; None = not readable.

    While it waits, `blocked` lacks these signals, but the kernel still does not discard them: `task->real_blocked`
    holds the mask from before the wait. /proc does not show that mask. It is assumed to contain the awaited
    signals, as POSIX requires of the caller.
    """
    tracer_pid: int = 0
    exiting: bool = False
    """PF_EXITING, or a zombie."""
    unsettled: bool = False
    """It was running at every look: what it blocks and awaits changes from one moment to the next."""


@dataclass(frozen=True)
class Relative:
    """A child of a process, or a descendant."""

    pid: int
    comm: str = ""
    state: str = "S"
    ppid: int = 0
    pgrp: int = 0
    """Its process group; 0 = not known."""
    session: int = 0
    """Its session; 0 = not known."""
    start_ticks: int = 0
    ignored: int = 0
    caught: int = 0

    @property
    def name(self) -> str:
        """`app[4242]`, safe for a terminal."""
        return f"{shorten(self.comm, 16)}[{self.pid}]"


@dataclass(frozen=True)
class Target:
    """A process as `kernel/signal.c` sees it (`struct signal_struct`, `struct sighand_struct`)."""

    pid: int
    comm: str = ""
    threads: tuple[Thread, ...] = ()
    state: str = "S"
    """State of the leader, as in /proc/PID/stat: R S D T t Z X I."""
    ignored: int = 0
    caught: int = 0
    shared_pending: int = 0
    signalfd: int | None = 0
    """Union of the masks of its signalfds; None = not readable."""
    unkillable: bool = False
    """SIGNAL_UNKILLABLE: it is the init of its PID namespace."""
    global_init: bool = False
    spares_init: bool | None = None
    """Whether this kernel's `complete_signal()` checks SIGNAL_UNKILLABLE; None = not known: /proc does not show it.

    It matters only if the thread that kill(2) looks up blocks a fatal signal and another thread does not.
    """
    kthread: bool = False
    core_dumping: bool = False
    frozen: Frozen = ""
    orphaned_group: bool | None = None
    """Whether it is in an orphaned process group, in which TSTP, TTIN and TTOU do nothing; None = not known."""
    queue_used: int = 0
    queue_limit: int | None = None
    """RLIMIT_SIGPENDING of its user; None = not known."""
    looked_up: int = 0
    """The TID that kill(2) was given; 0 = the leader's. The mask of this thread decides."""
    ns_pid: int = 0
    """Its PID in its own PID namespace."""
    nsid: int | None = None
    """Inode of its PID namespace; None = not readable."""
    level: int = 0
    """Depth of its PID namespace below the one that /proc belongs to."""
    start_ticks: int = 0
    """Its start in clock ticks (1/100 s) since boot, field 22 of /proc/PID/stat."""
    pgrp: int = 0
    """Its process group, as a PID of the namespace that /proc belongs to; 0 = not known."""
    session: int = 0
    shell: str = ""
    """The name of the shell that it is, if it has a trap or another handler: see `sigtrace.predict.shell`."""
    wchan: str = ""
    """The kernel function that a shell sleeps in; `0` or empty if it is not known."""
    children: tuple[Relative, ...] | None = ()
    """The children of a shell, zombies included; None = not known."""

    @property
    def name(self) -> str:
        """`app[4242]`, safe for a terminal."""
        return f"{shorten(self.comm, 16)}[{self.pid}]"

    @property
    def looked_up_thread(self) -> Thread:
        """The thread whose mask and tracer decide when the signal is generated."""
        tid = self.looked_up or self.pid
        return next((thread for thread in self.threads if thread.tid == tid), Thread(tid, self.state))

    @property
    def dying(self) -> bool:
        """SIGNAL_GROUP_EXIT, as far as /proc shows it: all threads exit, or one has SIGKILL pending."""
        if not self.threads:
            return self.state in "ZX"
        ending = any(signals.has(thread.pending, signals.KILL) for thread in self.threads)
        return ending or all(thread.exiting for thread in self.threads)

    @property
    def killed(self) -> bool:
        """A SIGKILL is pending: the process is frozen or in uninterruptible sleep."""
        return not self.looks_exited and any(
            signals.has(thread.pending, signals.KILL) for thread in self.threads
        )

    @property
    def looks_exited(self) -> bool:
        """Its leader is in do_exit() or has finished it."""
        return self.state in "ZX" or any(each.exiting for each in self.threads if each.tid == self.pid)

    @property
    def lingering(self) -> bool:
        """An init that has exited and waits in `zap_pid_ns_processes()` for its namespace to be empty."""
        return self.unkillable and self.dying and not self.killed and self.state not in "ZX"

    def disposition(self, signal: int) -> Disposition:
        """Return the program's disposition of the signal, from SigCgt and SigIgn."""
        if signals.has(self.caught, signal):
            return "handler"
        return "ignore" if signals.has(self.ignored, signal) else "default"
