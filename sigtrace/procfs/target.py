"""The facts about a process that the kernel asks for when it is sent a signal; no I/O here.

`sigtrace.procfs.process.read_target` fills a `Target` from /proc, and `sigtrace.predict.kernel_rules.predict`
applies the kernel's rules to it. Masks are as /proc/PID/status writes them: bit n-1 stands for signal n.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sigtrace import signals

Disposition = Literal["default", "ignore", "handler"]
Relation = Literal["same", "ancestor", "descendant", "other", "kernel", "self"]
"""Where the sender's PID namespace stands to the target's: an `ancestor` contains it."""

Frozen = Literal["", "v1", "v2"]
"""Which cgroup freezer holds the target, if any: only that of cgroup v2 lets a fatal signal through."""


@dataclass(frozen=True)
class Thread:
    """One thread of a target (`struct task_struct`)."""

    tid: int
    state: str = "S"
    blocked: int = 0
    pending: int = 0
    """Its own queue (SigPnd), not that of the process."""
    awaited: int | None = 0
    """What it waits for in sigtimedwait(2) right now; 0 = it does not wait; None = could not be read.

    While it waits, `blocked` lacks these signals, although the kernel still refuses to discard them:
    `task->real_blocked` holds the mask from before the wait. /proc does not show that one. That the awaited
    signals are in it, as POSIX demands of the caller, is taken for granted.
    """
    tracer_pid: int = 0
    exiting: bool = False
    """PF_EXITING, or a zombie already."""


@dataclass(frozen=True)
class Target:
    """A process as `kernel/signal.c` sees it (`struct signal_struct`, `struct sighand_struct`)."""

    pid: int
    comm: str = ""
    threads: tuple[Thread, ...] = ()
    state: str = "S"
    """Of the leader, as in /proc/PID/stat: R S D T t Z X I."""
    ignored: int = 0
    caught: int = 0
    shared_pending: int = 0
    signalfd: int | None = 0
    """Union of the masks of its signalfds; None = could not be read."""
    unkillable: bool = False
    """SIGNAL_UNKILLABLE: it is the init of its PID namespace."""
    global_init: bool = False
    spares_init: bool | None = None
    """`complete_signal()` of this kernel asks for SIGNAL_UNKILLABLE; None = not known, as /proc does not show it.

    It matters where the thread that kill(2) looks up blocks a fatal signal and another does not.
    """
    kthread: bool = False
    core_dumping: bool = False
    frozen: Frozen = ""
    orphaned_group: bool | None = None
    """In an orphaned process group, where TSTP, TTIN and TTOU do nothing; None = not known."""
    queue_used: int = 0
    queue_limit: int | None = None
    """RLIMIT_SIGPENDING of its user; None = not known."""
    looked_up: int = 0
    """The thread whose number kill(2) was given; 0 = the leader. It is that thread's mask that counts."""
    ns_pid: int = 0
    """Its number in its own PID namespace."""
    nsid: int | None = None
    """Inode of its PID namespace; None = could not be read."""
    level: int = 0
    """Depth of its PID namespace below the one that /proc belongs to."""
    start_ticks: int = 0
    """Its start, in clock ticks since boot (1/100 s), as field 22 of /proc/PID/stat."""
    busy_shell: bool = False
    """It is a shell that has a child: such a one runs a trap only when its foreground command has ended."""

    @property
    def looked_up_thread(self) -> Thread:
        """The thread whose mask and tracer decide at generation."""
        wanted = self.looked_up or self.pid
        return next((thread for thread in self.threads if thread.tid == wanted), Thread(wanted, self.state))

    @property
    def dying(self) -> bool:
        """SIGNAL_GROUP_EXIT as /proc shows it: all threads exit, or hold the SIGKILL that ends a group."""
        if not self.threads:
            return self.state in "ZX"
        ending = any(signals.has(thread.pending, signals.KILL) for thread in self.threads)
        return ending or all(thread.exiting for thread in self.threads)

    @property
    def killed(self) -> bool:
        """A SIGKILL is pending that it has not acted on: it is frozen, or in uninterruptible sleep."""
        return not self.looks_exited and any(
            signals.has(thread.pending, signals.KILL) for thread in self.threads
        )

    @property
    def looks_exited(self) -> bool:
        """Its leader is in do_exit() or past it."""
        return self.state in "ZX" or any(each.exiting for each in self.threads if each.tid == self.pid)

    @property
    def lingering(self) -> bool:
        """An init that has exited and waits in `zap_pid_ns_processes()` for its namespace to be empty."""
        return self.unkillable and self.dying and not self.killed and self.state not in "ZX"

    def disposition(self, signal: int) -> Disposition:
        """What the program asked for: SigCgt, SigIgn, or else the default."""
        if signals.has(self.caught, signal):
            return "handler"
        return "ignore" if signals.has(self.ignored, signal) else "default"
