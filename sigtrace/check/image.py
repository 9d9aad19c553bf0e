"""An image in a container of its own, with its entrypoint, its user and its stop signal, or with other words.

The container is removed by a process of its own, which waits for the end of a pipe: whatever becomes of us, nothing is
left. Signals go to the container's init directly where that is permitted, as runtimes send them, else through the
engine.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sigtrace.check.engine import Engine, ImageConfig
from sigtrace.check.output import Output
from sigtrace.check.subject import End
from sigtrace.errors import BadInput, SigtraceError
from sigtrace.lab.actor import Actor
from sigtrace.lab.channel import PATIENCE, readable
from sigtrace.lab.stage import Stage
from sigtrace.procfs import process
from sigtrace.text import printable, shorten
from sigtrace.units import SECOND, duration

_STARTS_WITHIN = 60.0 * PATIENCE
_STEP = 0.02
_AGAIN = 2.0
"""Seconds."""
_NOT_STARTED, _NOT_EXECUTABLE, _NOT_FOUND = 125, 126, 127
"""Exit codes of `run` for what is not the container's own."""
_REMOVE = 'exec >/dev/null 2>&1; read -r word; "$@"; [ "$word" ] || { sleep 5; "$@"; }'
"""Waits for a word at its stdin, and executes its arguments. If that ends without one, we were killed, perhaps while
the engine was still making the container: it does so twice."""


@dataclass(frozen=True)
class Wanted:
    """What to run, and how."""

    image: str
    words: tuple[str, ...] = ()
    """The command; empty: the image's own."""
    entrypoint: tuple[str, ...] = ()
    """Empty: the image's own."""
    options: tuple[str, ...] = ()
    """Of `podman run`, as they are."""
    title: str = ""
    """What people call it, if not by its image."""


class Image:
    """A `subject.Subject`: an image, and what to run of it."""

    def __init__(self, wanted: Wanted, engine: Engine, config: ImageConfig) -> None:
        self._wanted, self._engine, self._config = wanted, engine, config
        self._stage: Stage | None = None

    @property
    def name(self) -> str:
        wanted, config = self._wanted, self._config
        entrypoint = wanted.entrypoint or config.entrypoint
        words = wanted.words or (() if wanted.entrypoint else config.command)
        command = shlex.join((*entrypoint, *words))
        return f"{wanted.title or wanted.image}: {command}" if command else wanted.title or wanted.image

    def __enter__(self) -> Image:
        if os.geteuid() == 0:  # who may enter a container's namespace
            self._stage = Stage().__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        if self._stage:
            self._stage.close()

    @contextmanager
    def run(self, output: Output) -> Iterator[ContainerRun]:
        """Start a container; it is removed at the end of the block. Raises BadInput, SigtraceError."""
        name = f"sigtrace-check-{secrets.token_hex(6)}"
        remover = subprocess.Popen(
            ["sh", "-c", _REMOVE, "sh", *self._engine.removal(name)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            client = subprocess.Popen(
                [self._engine.name, "run", f"--name={name}", *self._options(), *self._command()],
                stdin=subprocess.DEVNULL,
                stdout=output.writer,
                stderr=output.writer,
                start_new_session=True,
            )
            output.close_writer()
            running = None
            try:
                running = ContainerRun(name, self._engine, client, self._stage, output)
                yield running
            finally:
                _remove(remover)
                if running:
                    running.close()
                self._await_end(client, name)
        finally:
            _remove(remover)

    def _await_end(self, client: subprocess.Popen[bytes], name: str) -> None:
        """Wait for the end of `run`; remove the container again if it was only made after it was to be removed."""
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                client.wait(_AGAIN)
                return
            self._engine.remove(name)

    def _options(self) -> tuple[str, ...]:
        entrypoint = self._wanted.entrypoint
        return (*self._wanted.options, *((f"--entrypoint={entrypoint[0]}",) if entrypoint else ()))

    def _command(self) -> tuple[str, ...]:
        return (self._wanted.image, *self._wanted.entrypoint[1:], *self._wanted.words)


class ContainerRun:
    """A `subject.Running`: a container, once its init runs."""

    def __init__(
        self, name: str, engine: Engine, client: subprocess.Popen[bytes], stage: Stage | None, output: Output
    ) -> None:
        self._name, self._engine, self._client, self._stage = name, engine, client, stage
        self._doors: list[Actor] = []
        self._pidfd = -1
        self.pid = self._started(output)

    def send(self, number: int) -> None:
        if self._pidfd >= 0:
            try:
                signal.pidfd_send_signal(self._pidfd, number)
                return
            except ProcessLookupError:
                return
            except PermissionError:
                pass
        self._engine.kill(self._name, number)

    def wait(self, seconds: float) -> End | None:
        if self._pidfd >= 0 and not readable(self._pidfd, seconds):
            return None
        with contextlib.suppress(subprocess.TimeoutExpired):
            # once its init has ended, the engine tells the exit code soon
            return End(self._client.wait(_STARTS_WITHIN if self._pidfd >= 0 else seconds))
        return None

    def door(self) -> Actor | None:
        if self._stage is None or not self.pid:
            return None
        door = self._stage.outside.fork()
        self._doors.append(door)
        door(f"setns(os.open('/proc/{self.pid}/ns/pid', os.O_RDONLY | os.O_CLOEXEC))")
        return door

    def close(self) -> None:
        """Forget it."""
        for door in self._doors:
            door.dismiss()
        if self._pidfd >= 0:
            os.close(self._pidfd)

    def _started(self, output: Output) -> int:
        """Wait until the init runs; returns its PID here, 0 if it is not visible. Raises BadInput, SigtraceError."""
        deadline = time.monotonic() + _STARTS_WITHIN
        while time.monotonic() < deadline:
            if (code := self._client.poll()) is not None:
                self._complain(code, output)
                return 0  # it has ended already
            if pid := self._engine.pid(self._name):
                return self._open(pid)
            time.sleep(_STEP)
        raise SigtraceError(
            f"{self._engine.name} did not start the container within {duration(_STARTS_WITHIN * SECOND)}."
        )

    def _open(self, pid: int) -> int:
        """Open a pidfd. Returns 0 unless that process is the init of a PID namespace, as seen from here."""
        try:
            self._pidfd = os.pidfd_open(pid)
            inner = process.read_status_field(pid, "NSpid").split()
        except OSError:
            return 0
        if len(inner) > 1 and inner[-1] == "1":
            return pid
        os.close(self._pidfd)  # the engine is in a virtual machine, or on another host
        self._pidfd = -1
        return 0

    def _complain(self, code: int, output: Output) -> None:
        output.close()
        said = next((line for line in reversed(output.tail()) if line.strip()), "it does not say why")
        if code == _NOT_STARTED:
            raise SigtraceError(f"{self._engine.name} cannot run it: {shorten(said, 300)}")
        if code in (_NOT_EXECUTABLE, _NOT_FOUND) and "exec" in said:
            raise BadInput(f"{self._engine.name} cannot run its command: {printable(shorten(said, 300))}")


def _remove(remover: subprocess.Popen[bytes]) -> None:
    """Have the container removed, and wait for that. Safe to repeat."""
    if remover.stdin and not remover.stdin.closed:
        with contextlib.suppress(BrokenPipeError):
            remover.stdin.write(b"now\n")
            remover.stdin.flush()
        remover.stdin.close()
    remover.wait()
