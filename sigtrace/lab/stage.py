"""The stage: real processes with chosen signal behaviour in real PID namespaces, driven from this process.

    with Stage() as stage:
        namespace = stage.namespace()
        member = namespace.member()
        member.kill(namespace.init, signal.SIGTERM)
        assert namespace.init.settle().state == "running"

Every process is an `Actor` that this process drives directly over a socket of its own; its answers have
deadlines, so a stopped or dead one cannot hang the driver. What became of a process is the kernel's word,
never ours: the wait status its parent collected, its state in /proc, the end of its socket. Leaving the
`with` block, for whatever reason, kills and reaps every process; should this process itself be killed,
theirs are tied to it (PR_SET_PDEATHSIG from creator to creature, and a namespace dies with its init). Use a
stage from one thread only.
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
    """All the processes of one play. See the module's text."""

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
        """The stage's first process, in the namespace sigtrace runs in: parent of all that is outside."""
        assert self._first is not None, "the stage is open inside its `with` block only"
        return self._first

    def actor(self) -> Actor:
        """A new process outside."""
        return self.outside.fork()

    def namespace(self) -> Namespace:
        """A new PID namespace below the stage's own."""
        return self.outside.namespace()

    def close(self) -> None:
        """Kill and reap every process of the stage. Safe to repeat."""
        actors = self._first.cast if self._first else ()
        if self._first is not None:
            with contextlib.suppress(StageFailed, OSError):
                self._first.set("ignore", signal.SIGCHLD)  # it inherits their zombies: let the kernel reap
        self._first = None
        for actor in actors[1:]:  # kill them all first: a member's death may wait for another's
            _kill(actor.pidfd)
        for actor in actors[1:]:
            readable(actor.pidfd, DEADLINE)
        if self._process is not None:
            self._process.kill()  # last, so that its children were alive to be killed, not orphaned
            self._process.wait()
            self._process = None
        for actor in actors:
            actor.close()

    def _open(self) -> None:
        ours, theirs = pair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _PROGRAM, str(_ROOT), str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # so that Ctrl-C on the terminal is ours to handle
            )
        try:
            self._first = Actor(Channel(ours), None)
        except BaseException as err:
            ours.close()
            if isinstance(err, ActorGone):
                raise StageFailed(f"the stage cannot be set up: {sys.executable} did not start.") from err
            raise


def _kill(pidfd: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
