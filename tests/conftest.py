"""What every tier of the suite shares: default signals, 80 columns, and skips that CI turns into failures."""

from __future__ import annotations

import functools
import os
import signal
import sys
from pathlib import Path
from types import FrameType

import pytest

from sigtrace import signals
from sigtrace.lab import syscalls
from tests.patience import patient

_MAY_TRACE = 1 << 39 | 1 << 38 | 1 << 21  # BPF and PERFMON to trace, SYS_ADMIN to make namespaces


def require(condition: object, feature: str, why: str) -> None:
    """Skip the test, saying why, unless `condition` holds; fail it where SIGTRACE_REQUIRE names the feature.

    SIGTRACE_REQUIRE is a comma list: `SIGTRACE_REQUIRE=kernel` on a machine that must be able to trace.
    """
    if condition:
        return
    if feature in os.environ.get("SIGTRACE_REQUIRE", "").split(","):
        pytest.fail(f"SIGTRACE_REQUIRE={feature}, but {why}", pytrace=False)
    pytest.skip(why)


@functools.cache
def why_no_kernel() -> str:
    """Why tests marked `kernel` cannot run here; empty when they can. Asks the host, not sigtrace."""
    status = Path("/proc/self/status").read_text()
    effective = int(status.partition("CapEff:")[2].split()[0], 16)
    if os.geteuid() != 0 or effective & _MAY_TRACE != _MAY_TRACE:
        return "not root with CAP_BPF, CAP_PERFMON and CAP_SYS_ADMIN"
    if not Path("/sys/kernel/btf/vmlinux").exists():
        return "this kernel has no BTF (/sys/kernel/btf/vmlinux)"
    return ""


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Scale the time a test may take, and give what tests start a plain beginning."""
    if config.getoption("timeout", None) is None:
        config.option.timeout = patient(float(config.getini("timeout")))
    _default_signals()


def _default_signals() -> None:
    """What tests start begins with default dispositions and nothing blocked, whatever this process has inherited.

    exec keeps both: `nohup` has SIGHUP ignored, the background job of a script SIGINT and SIGQUIT. Signal 32, which
    neither libc nor Python will touch, is ignored in what posix_spawn(3) starts (glibc, spawni.c), as make does.

    It also finds sigtrace compiled, as where pip has installed it: the suite starts thousands of interpreters, and
    compiling our modules is a third of what such a start costs.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    ours = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: _ignore}
    given_back = {
        signal.SIGPIPE,
        signal.SIGXFSZ,
    }  # which Python ignores, and by itself resets for its children
    for number in signal.valid_signals() - given_back:
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, ours.get(number, signal.SIG_DFL))
    ignored = int(Path("/proc/self/status").read_text().partition("SigIgn:")[2].split()[0], 16)
    for number in signals.OF_THREADS:
        if ignored >> (number - 1) & 1:
            syscalls.action(number, "default")
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _ignore(number: int, frame: FrameType | None) -> None:
    """Ignore the signal as nohup wished, but in this process alone: exec resets a handler."""


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test marked `kernel` runs where this process may trace."""
    if item.get_closest_marker("kernel"):
        require(not why_no_kernel(), "kernel", why_no_kernel())


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Output is 80 columns wide and uncoloured, whoever runs the tests and from where."""
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "PY_COLORS", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
