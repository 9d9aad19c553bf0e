"""PID namespaces without number, each of which lives for a moment and drops some signals."""

from __future__ import annotations

import subprocess
import sys

from sigtrace.lab.actor import Namespace

SIGNALS = (1, 3, 4, 5, 6, 10, 12, 13, 14, 15)
"""What each init is sent, from outside its namespace: it has a handler for none."""
_MAKE = """
import ctypes, os, signal, sys
libc, (namespaces, *numbers) = ctypes.CDLL(None), map(int, sys.argv[1:])
clone = 56 if os.uname().machine == "x86_64" else 220
asked, ask = os.pipe()
for number in (signal.SIGINT, signal.SIGPIPE):
    signal.signal(number, signal.SIG_DFL)  # Python's own
for _ in range(namespaces):
    init = libc.syscall(clone, 0x20000000 | signal.SIGCHLD, 0, 0, 0, 0)  # CLONE_NEWPID
    if not init:
        os.read(asked, 1)
        os._exit(0)
    for number in numbers:
        libc.kill(init, number)
    os.write(ask, b"x")
    os.waitpid(init, 0)
"""


def pass_by(house: Namespace, namespaces: int) -> int:
    """Have so many namespaces be born and end below this one; each drops SIGNALS. Returns how many are dropped."""
    inside = ["nsenter", "--pid", "--target", str(house.init.pid), sys.executable, "-I", "-S", "-c", _MAKE]
    subprocess.run([*inside, str(namespaces), *map(str, SIGNALS)], check=True)
    return namespaces * len(SIGNALS)
