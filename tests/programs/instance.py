"""One program as PID 1: started, asked whether it is ready, sent signals, observed to its end. Without sigtrace's
tracing: what the stage says of a process is its state in /proc and the wait status that its parent collected.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from sigtrace.lab.actor import Namespace
from sigtrace.lab.channel import ActorGone, ActorSilent
from sigtrace.lab.syscalls import CLONE_NEWPID
from tests.programs.program import PATH, Program

_CLONE_NEWUTS, _CLONE_NEWIPC, _CLONE_NEWNET = 0x4000000, 0x8000000, 0x40000000
_EMPTY = "/dev /run /tmp /var/lib /var/log /var/cache /var/spool"
PREPARE = f"""set -e
export PATH={PATH}
ip link set lo up
for directory in {_EMPTY}; do mount -t tmpfs tmpfs $directory; done
(cd /dev; mknod null c 1 3; mknod zero c 1 5; mknod random c 1 8; mknod urandom c 1 9; chmod 666 *
mkdir -m 1777 shm; ln -s /proc/self/fd fd; ln -s fd/1 stdout; ln -s fd/2 stderr)
cd /run
"""
_LISTENS, _BOUND = "0A", "07"
"""States in /proc/net/tcp and udp: TCP_LISTEN, and TCP_CLOSE of a socket that is not connected."""
_ACCEPTS = "00010000"
"""The flags in /proc/net/unix of a socket that somebody listens at: __SO_ACCEPTCON."""


class Instance:
    """A program that is PID 1 of a PID namespace below `house`, and ends with that."""

    def __init__(self, program: Program, house: Namespace, log: Path) -> None:
        """Start it; what it prints goes into the file `log`."""
        self.program = program
        self.log = log
        self._space: Namespace | None = None
        self._holder = house.init.fork()
        self._holder("private_mounts()")
        self._holder(f"unshare({_CLONE_NEWUTS | _CLONE_NEWIPC | _CLONE_NEWNET})")
        self._holder(f"os.dup2(os.open({str(log)!r}, os.O_CREAT | os.O_APPEND | os.O_WRONLY), 1)")
        self._holder("os.dup2(1, 2)")
        if program.stdin:
            self._holder("os.dup2(os.pipe()[0], 0)")
        self._reaping = 0
        self._preparing = self._holder.channel.request(f"os.system({PREPARE + program.setup!r})")

    @property
    def nsid(self) -> int:
        """The inode of its PID namespace."""
        assert self._space
        return self._space.inode

    @property
    def comm(self) -> str:
        """The name of its init; empty if that is gone."""
        assert self._space
        return self._space.init.comm()

    def started(self) -> bool:
        """Whether it has started. Raises RuntimeError, with the end of what it said, if it has ended instead."""
        if self._space is None:
            self._space = self._execute()
        if self._space is None:
            return False
        if not self._space.init.alive():
            raise RuntimeError(f"it has ended already ({self.fate()}): {self.said()}")
        try:
            return all(self._has(*each.split(" ", 1)) for each in self.program.ready) and self._asleep()
        except (FileNotFoundError, ProcessLookupError, ActorGone):
            return False  # it has ended, or a thread of it has

    def send(self, number: int) -> None:
        """Send a signal from outside; nothing happens if it has ended."""
        assert self._space
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._space.init.pidfd, number)

    def fate(self) -> str:
        """What has become of it, as `Stop.fate` has it; empty if it goes on."""
        try:
            status = self._holder.channel.answer(self._reaping, 0.0001)
        except ActorSilent:
            return ""
        code = os.waitstatus_to_exitcode(status)
        return f"exit {code}" if code >= 0 else signal.Signals(-code).name.removeprefix("SIG")

    def said(self) -> str:
        """The end of what it has printed."""
        return self.log.read_text(errors="replace")[-1000:]

    def _execute(self) -> Namespace | None:
        """Once everything is prepared, fork the init and let it become the program."""
        try:
            status = self._holder.channel.answer(self._preparing, 0.001)
        except ActorSilent:
            return None
        if status != 0:
            raise RuntimeError(f"its setup failed: {self.said()}")
        self._holder(f"unshare({CLONE_NEWPID})")
        space = Namespace(self._holder)
        space.init("mount('proc', '/proc', 'proc')")
        space.init("(os.setsid(), os.chdir('/run'))")
        words, environment = list(self.program.command), {"PATH": PATH, "HOME": "/run", "LANG": "C.UTF-8"}
        number = space.init.channel.request(f"os.execvpe({words[0]!r}, {words!r}, {environment!r})")
        with contextlib.suppress(ActorGone):  # success closes the socket
            space.init.channel.answer(number)
        # It is reaped at once, as a container's shim does it, whatever the driver is doing.
        own_pid = space.init.pid_in(self._holder.space)
        self._reaping = self._holder.channel.request(f"os.waitpid({own_pid}, 0)[1]")
        return space

    @property
    def _pid(self) -> int:
        assert self._space
        return self._space.init.pid

    def _has(self, what: str, of: str) -> bool:
        if what == "log":
            return of in self.said()
        if what == "child":
            return any(_comm(pid) == of for pid in _descendants(self._pid))
        if what == "file":
            return Path(f"/proc/{self._pid}/root{of}").exists()
        if what == "socket":
            lines = (line.split() for line in Path(f"/proc/{self._pid}/net/unix").read_text().splitlines())
            return any(line[3] == _ACCEPTS and line[-1] == of for line in lines)
        protocol, state = {"port": ("tcp", _LISTENS), "udp": ("udp", _BOUND)}[what]
        return any((int(of), state) == found for found in self._bound(protocol))

    def _bound(self, protocol: str) -> Iterator[tuple[int, str]]:
        """Port and state of each socket of its network."""
        for name in (protocol, f"{protocol}6"):
            for line in Path(f"/proc/{self._pid}/net/{name}").read_text().splitlines()[1:]:
                _, local, _, state, *_ = line.split()
                yield int(local.rpartition(":")[2], 16), state

    def _asleep(self) -> bool:
        """Whether all its threads sleep: what it does before it waits for something, it has done."""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            stats = Path(f"/proc/{self._pid}/task").glob("*/stat")
            return all(stat.read_text().rpartition(")")[2].split()[0] == "S" for stat in stats)
        return False


def _descendants(pid: int) -> Iterator[int]:
    """The processes below a process."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                yield child
                yield from _descendants(child)


def _comm(pid: int) -> str:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/comm").read_text().rstrip("\n")
    return ""
