"""The stage: real processes with chosen dispositions in real PID namespaces, driven from this process.

    with Stage() as stage:
        namespace = stage.namespace()
        member = namespace.member()
        member.kill(namespace.init, signal.SIGTERM)
        assert namespace.init.settle().state == "running"

Each process is an `Actor`, driven over its own socket; answers have deadlines, so a stopped or dead process cannot
hang the driver. What happened to a process is observed from the kernel: the wait status that its parent collected,
its state in /proc, the end of its socket. Leaving the `with` block for any reason kills and reaps every process. If
this process itself is killed, PR_SET_PDEATHSIG kills each actor when its creator dies, and a namespace ends with its
init. Use a stage from one thread only.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from sigtrace.lab.actor import Actor, Namespace
from sigtrace.lab.channel import DEADLINE, ActorGone, Channel, StageFailed, pair, readable

_ROOT = Path(__file__).parents[2]
_PROGRAM = (
    "import sys; sys.path.append(sys.argv[1]); from sigtrace.lab import program; "
    "program.main(int(sys.argv[2]))"
)


class Stage:
    """A set of processes that end together. See the module's docstring."""

    def __init__(self) -> None:
        self._first: Actor | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Stage:
        try:
            self._open()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def outside(self) -> Actor:
        """The stage's first process, in sigtrace's own namespace; the parent of all other processes outside."""
        assert self._first is not None, "the stage is open inside its `with` block only"
        return self._first

    def actor(self) -> Actor:
        """Fork a process outside."""
        return self.outside.fork()

    def namespace(self) -> Namespace:
        """Create a PID namespace below the stage's own."""
        return self.outside.namespace()

    def close(self) -> None:
        """Kill and reap every process of the stage. Safe to repeat."""
        actors = self._first.actors if self._first else ()
        if self._first is not None:
            with contextlib.suppress(StageFailed, OSError):
                self._first.set(
                    "ignore", signal.SIGCHLD
                )  # it inherits orphans: the kernel then reaps their zombies
        self._first = None
        for actor in actors[
            1:
        ]:  # kill all before waiting: an init ends only after the members of its namespace
            _kill(actor.pidfd)
        for actor in actors[1:]:
            readable(actor.pidfd, DEADLINE)
        if self._process is not None:
            self._process.kill()  # last, because it has to reap the others
            self._process.wait()
            self._process = None
        for actor in actors:
            actor.close()

    def _open(self) -> None:
        driver_end, actor_end = pair()
        with actor_end:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _PROGRAM, str(_ROOT), str(actor_end.fileno())],
                pass_fds=[actor_end.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C on the terminal must not reach it
            )
        try:
            self._first = Actor(Channel(driver_end), None)
        except BaseException as err:
            driver_end.close()
            if isinstance(err, ActorGone):
                raise StageFailed(f"the stage cannot be set up: {sys.executable} did not start.") from err
            raise


def _kill(pidfd: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
