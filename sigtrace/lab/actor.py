"""One process of the stage, as its driver holds it, and the PID namespaces it can be in.

What became of a process is the kernel's word, never ours: the wait status its parent collected, its state
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
    """What became of a process: `code` is its exit code, or the signal that killed or stopped it."""

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
    """One process of the stage, as its driver holds it."""

    def __init__(self, channel: Channel, parent: Actor | None) -> None:
        self.parent = parent
        self.space = parent.births if parent else None
        """The PID namespace it lives in; None is the stage's own, the one sigtrace runs in."""
        self.births: Namespace | None = self.space
        """Where its children will be born: changes with unshare and setns, `space` never does."""
        self.channel = channel
        self.pid, self.own_pid = channel.pid, channel.own_pid
        self.pidfd = os.pidfd_open(self.pid)
        self._fate: Fate | None = None
        self._cast: list[Actor] = parent._cast if parent else []
        self._cast.append(self)

    def __call__(self, source: str, seconds: float = DEADLINE) -> Any:
        """Have the process run one line of Python with the actor's vocabulary; its value, as JSON carries it.

        Raises the OSError the process met (so `PermissionError`, `ProcessLookupError`, ...), StageFailed for
        any other exception in it, ActorGone when it ended, ActorSilent after `seconds`.
        """
        return self.channel.hear(self.channel.tell(source), seconds)

    @property
    def cast(self) -> tuple[Actor, ...]:
        """Every actor of the stage, in the order they appeared."""
        return tuple(self._cast)

    def fork(self) -> Actor:
        """A new child, born wherever this process's children are born now."""
        ours, theirs = pair()
        with theirs:
            ticket = self.channel.tell("fork()", theirs.fileno())
        try:
            self.channel.hear(ticket)
            return Actor(Channel(ours), self)
        except BaseException:
            ours.close()
            raise

    def namespace(self) -> Namespace:
        """A new PID namespace below this process's, with its init running; see `Namespace`.

        Where the kernel refuses (not root), it is made inside a new user namespace; raises NoNamespaces,
        saying what is missing, when that is refused too.
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
        """setns(2): from now on this process's children are born in `namespace`; it stays where it is."""
        where = namespace.init.pid_in(self.space)
        self(f"setns(os.open('/proc/{where}/ns/pid', os.O_RDONLY | os.O_CLOEXEC))")
        self.births = namespace

    def become(self, *command: str) -> None:
        """execv(2): returns once the process is that program, which can no longer be told anything."""
        ticket = self.channel.tell(f"os.execv({command[0]!r}, {list(command)!r})")
        try:
            self.channel.hear(ticket)  # an answer is an error; success closes the socket
        except ActorGone:
            name = os.path.basename(command[0])[:15]
            wait_until(lambda: self.comm() == name, f"process {self.pid} to be {name}")

    def kill(self, target: Actor, number: int) -> None:
        """kill(2) from this process, by the PID the target has where this process lives (ESRCH if none)."""
        self(f"kill({target.pid_in(self.space)}, {number})")

    def pid_in(self, space: Namespace | None) -> int:
        """The PID of this process as `space` (None: the stage's own namespace) numbers it.

        A namespace numbers its own processes and those below it; for any other this is a number that names
        nobody anywhere, so that a kill with it fails with ESRCH.
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
        """Wait until every signal sent to the process so far has had its effect, and say what became of it.

        A process deals with its unblocked signals before it next returns to user space; so when it answers a
        line sent after the signal, they are behind it. If it does not answer, it is stopped or dead.
        """
        deadline = time.monotonic() + seconds
        try:
            ticket = self.channel.tell("None")
            while time.monotonic() < deadline:
                try:
                    self.channel.hear(ticket, 0.001)
                    return RUNNING
                except ActorSilent:
                    if self.stat_state() in "Tt":
                        return Fate("stopped", self._stop_signal())
        except ActorGone:
            return self.fate(deadline - time.monotonic())
        raise ActorSilent(f"process {self.pid} neither answers nor stops nor dies")

    def fate(self, seconds: float = DEADLINE) -> Fate:
        """The end of the process as its parent collected it; RUNNING if it has not ended within `seconds`.

        A process whose parent is gone too leaves no wait status to anyone here: its code is 0 then.
        """
        if self._fate is None and readable(self.pidfd, seconds):
            self._fate = self._status() or Fate("killed")
        return self._fate or RUNNING

    def alive(self) -> bool:
        """Whether the process has not ended."""
        return not readable(self.pidfd, 0)

    def caught(self) -> list[int]:
        """The signals whose handler has run since last asked."""
        return [int(number) for number in self("caught()")]

    def status(self, field: str) -> str:
        """A field of /proc/PID/status as the stage's namespace sees it: `SigCgt`, `NSpid`, `PPid`, ...

        Raises ActorGone when the process has none any more.
        """
        try:
            text = Path(f"/proc/{self.pid}/status").read_text(errors="replace")
        except (FileNotFoundError, ProcessLookupError) as err:
            raise ActorGone(f"process {self.pid} is gone") from err
        found = re.search(rf"^{field}:\s*(.*)$", text, re.MULTILINE)
        return found.group(1) if found else ""

    def mask(self, field: str) -> list[int]:
        """The signals of a mask in /proc/PID/status."""
        return signals.members(int(self.status(field), 16))

    def stat_state(self) -> str:
        """The one-letter state of /proc/PID/stat; `X` once the process is gone."""
        return (self._stat() or ["X"])[0]

    def start_ticks(self) -> int:
        """When the process started, in clock ticks since boot (field 22 of /proc/PID/stat)."""
        return int(self._stat()[19])

    def comm(self) -> str:
        """The process's name; empty once it is gone."""
        try:
            return Path(f"/proc/{self.pid}/comm").read_text(errors="replace").rstrip("\n")
        except (FileNotFoundError, ProcessLookupError):
            return ""

    def set(self, how: Handling, *numbers: int) -> None:
        """Give these signals a disposition: default, ignore or handler."""
        for number in numbers:
            self(f"action({number}, {how!r})")

    def end(self) -> None:
        """SIGKILL from the stage's own namespace, which all obey; returns when the process has ended."""
        try:
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        except ProcessLookupError:
            return
        if not readable(self.pidfd, DEADLINE):
            raise StageFailed(f"process {self.pid} does not die")

    def dismiss(self) -> None:
        """End the process, have its parent collect it, and keep nothing of it, so that its PID is free again."""
        self.end()
        self.fate()
        self._cast.remove(self)
        self.close()

    def close(self) -> None:
        """Let go of the process's socket and pidfd."""
        self.channel.close()
        os.close(self.pidfd)

    def _status(self) -> Fate | None:
        """What the parent's waitid says now; None if the parent is gone or nothing happened."""
        try:
            seen = self.parent(f"wait({self.pid_in(self.parent.space)}, 0)") if self.parent else None
        except (StageFailed, ChildProcessError):
            return None
        return Fate(_BY_SI_CODE[seen[0]], seen[1]) if seen else None

    def _stop_signal(self) -> int:
        seen = self._status()
        return seen.code if seen and seen.state == "stopped" else 0

    def _stat(self) -> list[str]:
        try:
            return Path(f"/proc/{self.pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return []


class Namespace:
    """A PID namespace: its init, and the holder outside whose children are born in it (the init first)."""

    def __init__(self, holder: Actor) -> None:
        self.parent = holder.space
        self.holder = holder
        holder.births = self
        self.init = holder.fork()
        self.inode = int(self.init("os.stat('/proc/self/ns/pid').st_ino"))

    def member(self) -> Actor:
        """A process inside, child of the init."""
        return self.init.fork()

    def joined(self) -> Actor:
        """A process inside whose parent is outside, as `docker exec` and nsenter make them."""
        return self.holder.fork()


def _depth(space: Namespace | None) -> int:
    return 0 if space is None else 1 + _depth(space.parent)
