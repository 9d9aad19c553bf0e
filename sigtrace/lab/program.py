"""The program of an actor: a process that runs the requests of the stage's driver.

It is started as a fresh interpreter (`python -I -S`), not forked from sigtrace itself, whose threads and
libraries it would inherit. It reads one request per packet from its socket, `"<number> <Python source>"`, runs the
source with the functions below in scope, and answers with one packet of JSON: `{"n": number, "value": ...}` or
`{"n": ..., "error": type, "errno": ..., "message": ...}`. It exits when the driver is gone, which closes its socket.

Every actor begins with all 64 signals at SIG_DFL and nothing blocked, and gets SIGKILL when its creator dies.
"""

from __future__ import annotations

import array
import ctypes
import json
import os
import resource
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sigtrace.lab import syscalls

PACKET = 64 * 1024
"""The largest request or answer."""


class ActorProcess:
    """One process of the stage: its socket to the driver, and the pipe to which its signal handlers write."""

    def __init__(self, control: socket.socket, handler: bytes, inherited: Mapping[str, Any]) -> None:
        self.control = control
        self.handler = handler
        self.received: list[int] = []
        """Descriptors that came with requests."""
        self.scope: dict[str, Any] = {**inherited, **self._vocabulary()}
        syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)
        for number in set(range(1, 65)) - {signal.SIGKILL, signal.SIGSTOP}:
            syscalls.action(number, "default")
        syscalls.mask(signal.SIG_SETMASK)
        self.handled, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

    def serve(self) -> None:
        """Answer requests until the driver closes the socket. Does not return."""
        self._answer({"n": 0, "value": os.getpid()})
        while True:
            text, ancillary, _, _ = self.control.recvmsg(
                PACKET, socket.CMSG_SPACE(4), socket.MSG_CMSG_CLOEXEC
            )
            if not text:
                os._exit(0)
            for level, kind, data in ancillary:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    self.received += array.array("i", data).tolist()
            number, _, source = text.decode().partition(" ")
            self._answer({"n": int(number)} | self._perform(source))

    def _perform(self, source: str) -> dict[str, Any]:
        try:
            try:
                code = compile(source, "<stage>", "eval")
            except SyntaxError:
                exec(compile(source, "<stage>", "exec"), self.scope)
                return {"value": None}
            return {"value": eval(code, self.scope)}
        except OSError as err:
            return {"error": "OSError", "errno": err.errno, "message": str(err)}
        except Exception as err:
            return {"error": type(err).__name__, "errno": None, "message": str(err)}

    def _answer(self, answer: dict[str, Any]) -> None:
        try:
            self.control.send(json.dumps(answer).encode())
        except BrokenPipeError:
            os._exit(0)

    def _vocabulary(self) -> dict[str, Any]:
        words: list[Callable[..., Any]] = [
            self.fork, self.action, self.caught, self.block, self.unblock, self.thread, self.wait,
            self.name, self.private_mounts, self.send, self.descriptor, os.kill, os.getpid, os.getppid,
            syscalls.sigqueue, syscalls.tgsigqueue, syscalls.signalfd, syscalls.unshare, syscalls.setns,
            syscalls.mount, syscalls.umount, syscalls.prctl, syscalls.ptrace, syscalls.raw,
        ]  # fmt: skip
        modules = (ctypes, os, resource, select, signal, socket, syscalls, threading, time)
        return {word.__name__: word for word in words} | {
            module.__name__.rpartition(".")[2]: module for module in modules
        }

    def fork(self) -> int:
        """Call fork(2): the child serves the socket that came with the request; the parent returns its PID."""
        end = self.received.pop()
        pid = os.fork()
        if pid:
            os.close(end)
            return pid
        self.control.close()
        ActorProcess(socket.socket(fileno=end), self.handler, self.scope).serve()
        os._exit(0)

    def action(self, number: int, how: syscalls.Handling) -> None:
        """Set a signal's disposition; a handler is reported by `caught`."""
        syscalls.action(number, how, self.handler)

    def caught(self) -> list[int]:
        """Return the signals whose handler has run since the last call, in order."""
        try:
            return list(os.read(self.handled, 4096))
        except BlockingIOError:
            return []

    def block(self, *numbers: int) -> None:
        """Block these signals in this thread."""
        syscalls.mask(signal.SIG_BLOCK, numbers)

    def unblock(self, *numbers: int) -> None:
        """Unblock these signals in this thread."""
        syscalls.mask(signal.SIG_UNBLOCK, numbers)

    def thread(self, blocked: Iterable[int] = ()) -> int:
        """Start a thread that sleeps with these signals blocked; returns its TID."""
        ready = threading.Event()

        def sleep() -> None:
            syscalls.mask(signal.SIG_BLOCK, blocked)
            ready.set()
            threading.Event().wait()

        thread = threading.Thread(target=sleep, daemon=True)
        thread.start()
        ready.wait()
        return thread.native_id or 0

    def wait(self, pid: int, seconds: float, options: int = os.WEXITED | os.WSTOPPED | os.WCONTINUED) -> Any:
        """Call waitid(2) for a child, with a timeout: [si_code, si_status], or None if nothing happened."""
        deadline = time.monotonic() + seconds
        while True:
            result = os.waitid(os.P_PID, pid, options | os.WNOHANG)
            if result is not None:
                return [result.si_code, result.si_status]
            if time.monotonic() >= deadline:
                return None
            time.sleep(0.0005)

    def send(self, pid: int, number: int, times: int = 1) -> None:
        """Call kill(2) several times without a round trip to the driver."""
        for _ in range(times):
            os.kill(pid, number)

    def name(self, text: str) -> None:
        """Set this process's comm."""
        syscalls.prctl(syscalls.PR_SET_NAME, text.encode())

    def descriptor(self) -> int:
        """Return the descriptor that came with the last request that brought one."""
        return self.received.pop()

    def private_mounts(self) -> None:
        """Enter a new mount namespace, from which no mount propagates."""
        syscalls.unshare(syscalls.CLONE_NEWNS)
        syscalls.mount("none", "/", flags=syscalls.MS_REC | syscalls.MS_PRIVATE)


def main(descriptor: int) -> None:
    """Run the stage's first actor, on an inherited socket. All others are its descendants."""
    os.set_inheritable(descriptor, False)
    # action() installs Python's C-level handler, which only writes to the wake-up descriptor: no Python handler must
    # run for SIGINT.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.unraisablehook = lambda unraisable: None
    # No core files. The limit is 1, as 0 would still run the program of a core_pattern that is a pipe (core(5)).
    resource.setrlimit(resource.RLIMIT_CORE, (1, 1))
    syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)
    ActorProcess(socket.socket(fileno=descriptor), syscalls.handler_record(), {}).serve()
