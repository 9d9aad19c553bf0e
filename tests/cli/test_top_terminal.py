"""However `sigtrace top` ends, the terminal is as it was."""

from __future__ import annotations

import os
import select
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sigtrace.lab.stage import Stage
from tests.patience import patient
from tests.terminal import Tty, running

pytestmark = pytest.mark.kernel

_BROKEN = """
import sys
from sigtrace.live import rates
from sigtrace.cli import main
whole = rates.Sampler.sample
def once(self, seen=[]):
    if seen:
        raise RuntimeError("broken on purpose")
    seen.append(1)
    return whole(self)
rates.Sampler.sample = once
sys.argv = ["sigtrace", "top", "--interval", "500ms"]
main()
"""


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Stage() as opened:
        yield opened


def _ready(tty: Tty) -> None:
    tty.shows("sorted by")


def _quit(tty: Tty) -> None:
    tty.press("q")


def _interrupt(tty: Tty) -> None:
    tty.press("\x03")


def _signalled(number: signal.Signals) -> Callable[[Tty], None]:
    return lambda tty: os.kill(tty.child, number)


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (_quit, 0),
        (_interrupt, 0),
        (_signalled(signal.SIGINT), 0),
        (_signalled(signal.SIGTERM), 143),
        (_signalled(signal.SIGHUP), 129),
        (_signalled(signal.SIGQUIT), 131),
    ],
)
def test_however_it_ends_the_terminal_is_as_it_was(
    stage: Stage, tmp_path: Path, end: Callable[[Tty], None], code: int
) -> None:
    with running(tmp_path, "top", "--ns", str(stage.namespace().init.pid)) as tty:
        _ready(tty)
        during = subprocess.run(
            ["stty", "-a", "-F", os.readlink(f"/proc/{tty.child}/fd/0")],
            capture_output=True,
            text=True,
            check=True,
        )
        assert "-icanon" in during.stdout
        end(tty)
        tty.shows("BACK")
        _assert_restored(tty)
        assert tty.file("code").strip() == str(code)
        assert "Traceback" not in tty.file("errors")
        assert ("0 records lost" in tty.file("errors")) == (code == 0)


_PAINTED = """
import signal
from sigtrace.cli.terminal import Terminal
with Terminal() as terminal:
    terminal.show(["here it is"])
    signal.pause()
"""
_FATAL = [
    *(
        signal.SIGQUIT,
        signal.SIGILL,
        signal.SIGTRAP,
        signal.SIGABRT,
        signal.SIGBUS,
        signal.SIGFPE,
        signal.SIGUSR1,
    ),
    *(signal.SIGSEGV, signal.SIGUSR2, signal.SIGALRM, signal.SIGSTKFLT, signal.SIGXCPU, signal.SIGVTALRM),
    *(signal.SIGPROF, signal.SIGIO, signal.SIGPWR, signal.SIGSYS, signal.SIGRTMIN, signal.SIGRTMAX),
]
"""What ends a process and can be caught, but for INT, TERM and HUP; of the real-time signals the first and the last."""


@pytest.mark.parametrize("number", _FATAL)
def test_every_fatal_signal_that_can_be_caught_leaves_the_terminal_as_it_was(
    number: signal.Signals, tmp_path: Path
) -> None:
    tty = Tty(tmp_path, shlex.join([sys.executable, "-c", _PAINTED]))
    try:
        tty.shows("here it is")
        os.kill(tty.child, number)
        tty.shows("BACK")
        _assert_restored(tty)
        assert tty.file("code").strip() == str(128 + number)
    finally:
        tty.close()


_FAULT = """
import ctypes
from sigtrace.cli.terminal import Terminal
with Terminal() as terminal:
    ctypes.string_at(0)
"""


def test_a_fault_of_its_own_does_not_hang_it(tmp_path: Path) -> None:
    tty = Tty(tmp_path, shlex.join([sys.executable, "-c", _FAULT]))
    try:
        tty.until(lambda: tty.file("code"))
        assert tty.file("code").strip() == str(128 + signal.SIGSEGV)
    finally:
        tty.close()


def test_an_exception_restores_the_terminal_and_is_seen(tmp_path: Path) -> None:
    tty = Tty(tmp_path, shlex.join([sys.executable, "-c", _BROKEN]))
    try:
        tty.shows("BACK")
        _assert_restored(tty)
        assert tty.file("errors").endswith("RuntimeError: broken on purpose\n")
    finally:
        tty.close()


def test_ctrl_z_gives_the_terminal_back_and_fg_takes_it_again(stage: Stage, tmp_path: Path) -> None:
    namespace = stage.namespace()
    with running(tmp_path, "top", "--ns", str(namespace.init.pid), "--interval", "60s") as tty:
        _ready(tty)
        tty.press("\x1a")
        tty.shows("STOPPED")
        _assert_restored(tty)
        tty.press("\n")
        tty.until(lambda: tty.raw.rfind(b"\x1b[?1049h") > tty.raw.rfind(b"\x1b[?1049l"))
        _ready(tty)
        assert "STOPPED" not in tty.text
        assert str(namespace.inode) in tty.text
        tty.press("q")
        tty.shows("BACK")
        _assert_restored(tty)


def test_continued_after_a_sigstop_it_repaints(tmp_path: Path) -> None:
    with running(tmp_path, "top", "--interval", "60s") as tty:
        _ready(tty)
        painted = tty.raw.count(b"sigtrace top")
        os.kill(tty.child, signal.SIGSTOP)
        os.kill(tty.child, signal.SIGCONT)
        tty.until(lambda: tty.raw.count(b"sigtrace top") > painted)


def test_a_closed_window_ends_it_without_a_word(tmp_path: Path) -> None:
    with running(tmp_path, "top") as tty:
        _ready(tty)
        pidfd = os.pidfd_open(tty.child)
        tty.hang_up()
        try:
            assert select.select([pidfd], [], [], patient(20))[0]
        finally:
            os.close(pidfd)
        assert "Traceback" not in tty.file("errors")


def _assert_restored(tty: Tty) -> None:
    assert tty.file("before") == tty.file("after") != ""
    for enter, leave in (
        (b"\x1b[?1049h", b"\x1b[?1049l"),
        (b"\x1b[?25l", b"\x1b[?25h"),
        (b"\x1b[?7l", b"\x1b[?7h"),
    ):
        assert tty.raw.rfind(leave) > tty.raw.rfind(enter) >= 0
