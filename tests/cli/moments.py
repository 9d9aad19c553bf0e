"""Signals at random moments of a command: `python -m tests.cli.moments COMMAND SHOTS SEED` tells what went wrong.

Each shot starts the command, sends it or its process group a signal after a random part of the time that it takes, and
looks at what is left: messages of Python's, processes, files, BPF objects that nobody holds. One line each.
"""

from __future__ import annotations

import contextlib
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import sigtrace
from sigtrace.lab import syscalls
from sigtrace.lab.channel import DEADLINE
from tests.bpf_objects import unheld
from tests.commands import COMMAND
from tests.processes import children

ENDLESS = ("watch", "record")
"""Commands that run until a signal ends them; the time that counts is that until they are attached."""
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
OTHERS = (signal.SIGPIPE, signal.SIGTSTP)
"""Signals after which a command goes on: Python ignores SIGPIPE, and SIGCONT follows SIGTSTP."""
_PYTHONS_OWN = ("Traceback (most recent", "Exception ignored", "Fatal Python error", "ResourceWarning")
_CODES = {0, 3, 128 + signal.SIGINT, 128 + signal.SIGTERM, 128 + signal.SIGHUP}
"""Exit codes of a command that ends or is ended; 3: a postmortem has found something."""


@dataclass
class Shots:
    """Random shots at one command, in a directory of their own."""

    command: str
    recording: Path
    chance: random.Random
    seconds: float = 0.0
    """How long the command takes, or how long until it is attached."""
    wrong: list[str] = field(default_factory=list)

    @property
    def endless(self) -> bool:
        """Whether only a signal ends it."""
        return self.command.startswith(ENDLESS)

    def fire(self, number: signal.Signals, where: Path) -> None:
        """Start the command, send it the signal at a random moment, and look at what is left."""
        delay, group = self.chance.uniform(0, self.seconds), self.chance.random() < 0.5
        with open(where / "out", "wb") as out, open(where / "err", "wb") as err:
            process = subprocess.Popen(
                [*COMMAND, *self._words(where)],
                cwd=where,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        came = _send(process, number, delay, group)
        if number in OTHERS and self.endless:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(self.seconds)
            process.send_signal(signal.SIGINT)
        code = _ended(process)
        left = _left_behind()
        said = (where / "err").read_text(errors="replace")
        allowed = {*_CODES, -number, -signal.SIGINT if self.endless else 0}
        if any(words in said for words in _PYTHONS_OWN) and not _of_ours(said):
            allowed.add(1)  # interrupted in Python's own start, before `__main__`
        for fault in (
            "it did not end" if code is None else "",
            f"it ended with {code}" if code is not None and code not in allowed else "",
            f"it left {left}" if left else "",
            said[-1500:] if _of_ours(said) else "",
            self._unreadable(where, number),
        ):
            if fault:
                what = f"{'group' if group else 'process'}, {delay:.3f} of {self.seconds:.3f} s"
                self.wrong.append(
                    f"{self.command}: {number.name} {what}{'' if came else ', too late'}: {fault}"
                )

    def measure(self, where: Path) -> None:
        """Find out how long the command takes, undisturbed, warm."""
        for _ in range(2):
            shutil.rmtree(where)
            where.mkdir()
            began = time.monotonic()
            with subprocess.Popen(
                [*COMMAND, *self._words(where)], cwd=where, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
            ) as process:
                assert process.stderr is not None
                if self.endless:
                    process.stderr.readline()
                    process.kill()
                else:
                    process.communicate()
                self.seconds = 1.2 * (time.monotonic() - began)

    def _words(self, where: Path) -> list[str]:
        return (
            self.command.replace("RECORDING", str(self.recording)).replace("NEW", str(where / "new")).split()
        )

    def _unreadable(self, where: Path, number: signal.Signals) -> str:
        """What is wrong with the files that it left. SIGQUIT is for a core dump, without any cleanup."""
        names = {path.name for path in where.iterdir()} - {"out", "err"}
        partial = [name for name in names if name.endswith(".partial")]
        if partial and number != signal.SIGQUIT:
            return f"it left {partial}"
        if self.command.startswith("record") and (where / "new").exists():
            with contextlib.suppress(sigtrace.errors.BadInput):  # ended before it began
                sigtrace.open(where / "new").batch()
        return ""


def _of_ours(said: str) -> bool:
    """Whether Python says something, and not of an interrupt before it has run the first line of `__main__`."""
    begun = "sigtrace/__main__.py" in said or "<frozen runpy>" not in said
    return any(words in said for words in _PYTHONS_OWN) and begun and "sigtrace" in said


def _send(process: subprocess.Popen[bytes], number: int, delay: float, group: bool) -> bool:
    """Send the signal after the delay, and SIGCONT after SIGTSTP. Returns whether it came before the end."""
    pidfd = os.pidfd_open(process.pid)
    try:
        if select.select([pidfd], [], [], delay)[0]:
            return False
    finally:
        os.close(pidfd)
    send = os.killpg if group else os.kill
    send(process.pid, number)
    if number == signal.SIGTSTP:
        time.sleep(0.02)
        send(process.pid, signal.SIGCONT)
    return True


def _ended(process: subprocess.Popen[bytes]) -> int | None:
    try:
        return process.wait(DEADLINE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return None


def _left_behind() -> dict[int, str]:
    """Its descendants that are still there after a while: they are our children now."""
    deadline = time.monotonic() + DEADLINE
    while left := children(os.getpid()):
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if time.monotonic() > deadline:
            for pid in left:
                os.kill(pid, signal.SIGKILL)
            return left
        time.sleep(0.01)
    return {}


@contextlib.contextmanager
def _unheld_objects(wrong: list[str]) -> Iterator[None]:
    """BPF objects that no process holds, and that were not there before, are wrong."""
    before = unheld()
    yield
    deadline = time.monotonic() + DEADLINE
    left = unheld() - before
    while (
        left := left & unheld()
    ):  # another process that begins or ends meanwhile may have closed what it held
        if time.monotonic() > deadline:
            wrong.append(f"BPF objects that nobody holds: {sorted(left)}")
            return
        time.sleep(0.2)


def main() -> None:
    """Fire; print what went wrong."""
    command, recording, shots, seed = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    syscalls.prctl(syscalls.PR_SET_CHILD_SUBREAPER, 1)
    firing = Shots(command, recording, random.Random(f"{command} {seed}"))
    with tempfile.TemporaryDirectory() as made, _unheld_objects(firing.wrong):
        place = Path(made)
        (place / "x").mkdir()
        firing.measure(place / "x")
        numbers = [number for number in (*ENDING, *OTHERS) for _ in range(-(-shots // 6))]
        firing.chance.shuffle(numbers)
        for at, number in enumerate(numbers[:shots]):
            (place / str(at)).mkdir()
            firing.fire(number, place / str(at))
            shutil.rmtree(place / str(at))
    print("\n".join(firing.wrong))


if __name__ == "__main__":
    main()
