"""Namespaces that are all alive at once, or processes in one, by the thousand: more than actors of the stage can be."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sigtrace.lab.actor import Namespace

_MAKE = """
import ctypes, os, signal, sys
libc, how, number = ctypes.CDLL(None), sys.argv[1], int(sys.argv[2])
clone = 56 if os.uname().machine == "x86_64" else 220
go, start = os.pipe()
done, say = os.pipe()
pids, blocked = [], range(1, 32)
for each in (signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ):
    signal.signal(each, signal.SIG_DFL)  # Python's own
if how == "blocking":
    signal.pthread_sigmask(signal.SIG_BLOCK, blocked)

def name(which):
    libc.prctl(15, (b"even", b"odd")[which % 2], 0, 0, 0)  # PR_SET_NAME

for at in range(number):
    pid = libc.syscall(clone, (0 if how == "members" else 0x20000000) | signal.SIGCHLD, 0, 0, 0, 0)  # CLONE_NEWPID
    if not pid:
        libc.prctl(1, 9, 0, 0, 0)  # PR_SET_PDEATHSIG
        name(at)
        os.write(say, b"x")
        os.close(start)
        os.read(go, 1)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, blocked)
        os.write(say, b"x")
        signal.pause()
        os._exit(0)
    pids.append(pid)

def wait():
    left = number
    while left:
        left -= len(os.read(done, left))
    print(flush=True)

def send(numbers, which=None):
    for each in numbers:
        for at, pid in enumerate(pids):
            if which in (None, at % 2):
                libc.kill(pid, each)

wait()
for line in sys.stdin:
    command, *numbers = line.split()
    if command == "unblock":
        os.write(start, bytes(number))
        wait()
    else:
        for which in range(2):
            sender = os.fork()
            if not sender:
                name(which)
                send(map(int, numbers), which)
                os._exit(0)
            os.waitpid(sender, 0)
        print(flush=True)
for pid in pids:
    os.kill(pid, 9)
"""


@dataclass
class Throng:
    """They are called even and odd, by turns, and so is who sends them signals. Each has no handler for any."""

    process: subprocess.Popen[str]

    def send(self, *numbers: int) -> None:
        """Send each of them these signals."""
        self._do(f"send {' '.join(map(str, numbers))}")

    def unblock(self) -> None:
        """Have them unblock what they block. What waited has been dealt with when this returns."""
        self._do("unblock")

    def _do(self, command: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        self.ready()

    def ready(self) -> None:
        """Wait until it has done what it was told."""
        assert self.process.stdout
        assert self.process.stdout.readline()


@contextmanager
def throng(house: Namespace, how: str, number: int) -> Iterator[Throng]:
    """Have so many alive below a namespace. how: "namespaces", "blocking" (they block every signal), "members"."""
    inside = ["nsenter", "--pid", "--target", str(house.init.pid), sys.executable, "-I", "-S", "-c", _MAKE]
    with subprocess.Popen(
        [*inside, how, str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            made = Throng(process)
            made.ready()
            yield made
        finally:
            process.communicate()
