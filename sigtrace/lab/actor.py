"""The driver's handle of one process of the stage, and the PID namespaces that it can be in.

What happened to a process is always observed from the kernel: the wait status that its parent collected, its state
in /proc, the end of its socket.
"""

from __future__ import annotations

import os
import re
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sigtrace import signals
from sigtrace.events.outcome import ends
from sigtrace.lab.channel import (
    DEADLINE,
    ActorGone,
    ActorSilent,
    Channel,
    NoNamespaces,
    StageFailed,
    pair,
    readable,
    wait_until,
)
from sigtrace.lab.syscalls import CLONE_NEWPID, CLONE_NEWUSER, Handling


@dataclass(frozen=True)
class Fate:
    """What happened to a process: `code` is its exit code, or the signal that killed or stopped it."""

    state: Literal["running", "stopped", "exited", "killed"]
    code: int = 0

    def __str__(self) -> str:
        if self.code and self.state == "killed":
            return ends(0, self.code)
        how = {"running": "runs on", "exited": ends(self.code, 0)}
        return how.get(self.state) or f"is {self.state} by {signals.name(self.code) or 'a signal'}"


RUNNING = Fate("running")
_BY_SI_CODE: dict[int, Literal["running", "stopped", "exited", "killed"]] = {
    os.CLD_EXITED: "exited",
    os.CLD_KILLED: "killed",
    os.CLD_DUMPED: "killed",
    os.CLD_TRAPPED: "stopped",
    os.CLD_STOPPED: "stopped",
    os.CLD_CONTINUED: "running",
}


class Actor:
    """The driver's handle of one process of the stage."""

    def __init__(self, channel: Channel, parent: Actor | None) -> None:
        self.parent = parent
        self.space = parent.births if parent else None
        """The PID namespace that it lives in; None is the stage's own, in which sigtrace runs."""
        self.births: Namespace | None = self.space
        """The PID namespace of its future children: unshare and setns change it, but never `space`."""
        self.channel = channel
        self.pid, self.own_pid = channel.pid, channel.own_pid
        self.pidfd = os.pidfd_open(self.pid)
        self._fate: Fate | None = None
        self._actors: list[Actor] = parent._actors if parent else []
        self._actors.append(self)

    def __call__(self, source: str, seconds: float = DEADLINE) -> Any:
        """Run one line of Python in the process, with the functions of `program`; returns its value, as JSON has it.

        Raises the OSError of the process (so `PermissionError`, `ProcessLookupError`, ...), StageFailed for
        any other exception in it, ActorGone if it ended, ActorSilent after `seconds`.
        """
        return self.channel.answer(self.channel.request(source), seconds)

    @property
    def actors(self) -> tuple[Actor, ...]:
        """All actors of the stage, in the order of their creation."""
        return tuple(self._actors)

    def fork(self) -> Actor:
        """Fork a child, which is born in the namespace `births`."""
        driver_end, actor_end = pair()
        with actor_end:
            number = self.channel.request("fork()", actor_end.fileno())
        try:
            self.channel.answer(number)
            return Actor(Channel(driver_end), self)
        except BaseException:
            driver_end.close()
            raise

    def namespace(self) -> Namespace:
        """Create a PID namespace below this process's, with a running init.

        If the kernel refuses (not root), it is created inside a new user namespace. Raises NoNamespaces, which says
        what is missing, if that is refused too.
        """
        holder = self.fork()
        try:
            try:
                holder(f"unshare({CLONE_NEWPID})")
            except PermissionError:
                holder(f"unshare({CLONE_NEWPID | CLONE_NEWUSER})")
        except OSError as err:
            raise NoNamespaces(
                f"cannot create a PID namespace ({err.strerror}): run as root, or let users create them in "
                "user namespaces (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone)."
            ) from err
        return Namespace(holder)

    def enter(self, namespace: Namespace) -> None:
        """Call setns(2): this process's later children are born in `namespace`; it stays in its own."""
        where = namespace.init.pid_in(self.space)
        self(f"setns(os.open('/proc/{where}/ns/pid', os.O_RDONLY | os.O_CLOEXEC))")
        self.births = namespace

    def become(self, *command: str) -> None:
        """Call execv(2); returns once the process runs that program, which takes no more requests."""
        number = self.channel.request(f"os.execv({command[0]!r}, {list(command)!r})")
        try:
            self.channel.answer(number)  # an answer is an error; success closes the socket
        except ActorGone:
            name = os.path.basename(command[0])[:15]
            wait_until(lambda: self.comm() == name, f"process {self.pid} to be {name}")

    def kill(self, target: Actor, number: int) -> None:
        """Call kill(2) in this process, with the target's PID in this process's namespace (ESRCH if it has none)."""
        self(f"kill({target.pid_in(self.space)}, {number})")

    def pid_in(self, space: Namespace | None) -> int:
        """Return the PID of this process in `space` (None: the stage's own namespace).

        A process has PIDs in its own namespace and in those above it. For any other namespace this returns a number
        that no process has, so that a kill with it fails with ESRCH.
        """
        depth, own = _depth(space), _depth(self.space)
        above = self.space
        for _ in range(own - depth):
            above = above.parent if above else None
        if own < depth or above is not space:
            return 0x3FFFFFFF
        if space is None:
            return self.pid
        return self.own_pid if space is self.space else int(self.status("NSpid").split()[depth - own - 1])

    def settle(self, seconds: float = DEADLINE) -> Fate:
        """Wait until every signal sent to the process so far has had its effect; returns what happened to it.

        A process handles its unblocked signals before it returns to user space, so they are handled when it answers a
        request sent after them. If it does not answer, it is stopped or dead.
        """
        deadline = time.monotonic() + seconds
        try:
            number = self.channel.request("None")
            while time.monotonic() < deadline:
                try:
                    self.channel.answer(number, 0.001)
                    return RUNNING
                except ActorSilent:
                    if self.stat_state() in "Tt":
                        return Fate("stopped", self._stop_signal())
        except ActorGone:
            return self.fate(deadline - time.monotonic())
        raise ActorSilent(f"process {self.pid} neither answers nor stops nor dies")

    def fate(self, seconds: float = DEADLINE) -> Fate:
        """Return the end of the process as its parent collected it; RUNNING if it does not end within `seconds`.

        If the parent is gone too, nobody here gets the wait status: the code is 0 then.
        """
        if self._fate is None and readable(self.pidfd, seconds):
            self._fate = self._status() or Fate("killed")
        return self._fate or RUNNING

    def alive(self) -> bool:
        """Return whether the process has not ended."""
        return not readable(self.pidfd, 0)

    def caught(self) -> list[int]:
        """Return the signals whose handler has run since the last call."""
        return [int(number) for number in self("caught()")]

    def status(self, field: str) -> str:
        """Read a field of /proc/PID/status in the stage's namespace: `SigCgt`, `NSpid`, `PPid`, ...

        Raises ActorGone if the process is gone.
        """
        try:
            text = Path(f"/proc/{self.pid}/status").read_text(errors="replace")
        except (FileNotFoundError, ProcessLookupError) as err:
            raise ActorGone(f"process {self.pid} is gone") from err
        found = re.search(rf"^{field}:\s*(.*)$", text, re.MULTILINE)
        return found.group(1) if found else ""

    def mask(self, field: str) -> list[int]:
        """Read the signals of a mask in /proc/PID/status."""
        return signals.members(int(self.status(field), 16))

    def stat_state(self) -> str:
        """Read the one-letter state of /proc/PID/stat; `X` if the process is gone."""
        return (self._stat() or ["X"])[0]

    def start_ticks(self) -> int:
        """Read the start of the process, in clock ticks since boot (field 22 of /proc/PID/stat)."""
        return int(self._stat()[19])

    def comm(self) -> str:
        """Read the process's comm; empty if it is gone."""
        try:
            return Path(f"/proc/{self.pid}/comm").read_text(errors="replace").rstrip("\n")
        except (FileNotFoundError, ProcessLookupError):
            return ""

    def set(self, how: Handling, *numbers: int) -> None:
        """Set the disposition of these signals: default, ignore or handler."""
        for number in numbers:
            self(f"action({number}, {how!r})")

    def end(self) -> None:
        """Send SIGKILL from the stage's own namespace, which ends every actor; returns when the process has ended."""
        try:
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        except ProcessLookupError:
            return
        if not readable(self.pidfd, DEADLINE):
            raise StageFailed(f"process {self.pid} does not die")

    def dismiss(self) -> None:
        """End the process, have its parent reap it, and forget it, so that its PID is free again."""
        self.end()
        self.fate()
        self._actors.remove(self)
        self.close()

    def close(self) -> None:
        """Close the process's socket and pidfd."""
        self.channel.close()
        os.close(self.pidfd)

    def _status(self) -> Fate | None:
        """Return the result of the parent's waitid now; None if the parent is gone or nothing happened."""
        try:
            result = self.parent(f"wait({self.pid_in(self.parent.space)}, 0)") if self.parent else None
        except (StageFailed, ChildProcessError):
            return None
        return Fate(_BY_SI_CODE[result[0]], result[1]) if result else None

    def _stop_signal(self) -> int:
        fate = self._status()
        return fate.code if fate and fate.state == "stopped" else 0

    def _stat(self) -> list[str]:
        try:
            return Path(f"/proc/{self.pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return []


class Namespace:
    """A PID namespace: its init, and the holder, a process outside whose children are born in it (the init first)."""

    def __init__(self, holder: Actor) -> None:
        self.parent = holder.space
        self.holder = holder
        holder.births = self
        self.init = holder.fork()
        self.inode = int(self.init("os.stat('/proc/self/ns/pid').st_ino"))

    def member(self) -> Actor:
        """Fork a process inside, a child of the init."""
        return self.init.fork()

    def joined(self) -> Actor:
        """Fork a process inside whose parent is outside, as `docker exec` and nsenter do."""
        return self.holder.fork()


def _depth(space: Namespace | None) -> int:
    return 0 if space is None else 1 + _depth(space.parent)
