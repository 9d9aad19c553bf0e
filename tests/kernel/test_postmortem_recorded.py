"""From a real recorder to the diagnosis: what it recorded is enough, though nobody looked at the right moment."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from sigtrace.lab.actor import Fate, Namespace
from sigtrace.lab.channel import wait_until
from sigtrace.lab.stage import Stage
from tests.conftest import require
from tests.kernel.forwarding import (
    BLOCKS,
    DUMB_INIT,
    ENDS,
    FORWARD,
    HANDLES,
    IGNORES,
    TINI,
    app,
    child,
    script,
)
from tests.patience import patient
from tests.processes import children

pytestmark = pytest.mark.kernel

KILL, TERM = 9, 15
COMMAND = [sys.executable, "-m", "sigtrace"]


@contextmanager
def recorder(directory: Path, house: Namespace, *options: str) -> Iterator[Callable[[int], list[Any]]]:
    """A recorder of what is made in the house; gives a function: what a namespace's snapshots were taken for."""
    command = [*COMMAND, "record", str(directory), "--ns", str(house.inode), "--descendants", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("sigtrace: ready")
        try:
            yield lambda nsid: _snapshots(directory, nsid)
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=patient(30))
    assert process.returncode == 0


def _snapshots(directory: Path, nsid: int) -> list[Any]:
    frame = _rows(directory, nsid)
    return list(frame["trigger"].unique()) if len(frame) else []


def _rows(directory: Path, nsid: int) -> pd.DataFrame:
    import sigtrace

    with sigtrace.open(directory) as recording:
        frame = recording.snapshots()
    return frame[frame["nsid"] == nsid] if len(frame) else frame


def causes(directory: Path, pid: int) -> list[str]:
    return [finding["cause"] for finding in findings(directory, pid)]


def findings(directory: Path, pid: int) -> list[dict[str, Any]]:
    done = subprocess.run(
        [*COMMAND, "postmortem", str(directory), "--ns", str(pid), "--format", "json"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ},
    )
    assert done.returncode in (0, 3), done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def kill(stage: Stage, namespace: Namespace) -> None:
    stage.outside.kill(namespace.init, KILL)
    namespace.init.fate()


def test_stops_of_last_night_are_diagnosed_from_a_recording_of_inits(
    stage: Stage, house: Namespace, tmp_path: Path
) -> None:
    directory = tmp_path / "signals"
    with recorder(directory, house) as snapshots:
        dropped, shell, blocked, slow, calm = (house.init.namespace() for _ in range(5))
        shell.init.become("/bin/sh", "-c", "sleep 50; true")
        wait_until(lambda: bool(children(shell.init.pid)), "the shell to have its child")
        blocked.init(f"block({TERM})")
        slow.init.set("handler", TERM)
        calm.init.set("handler", TERM)
        everybody = (dropped, shell, blocked, slow, calm)
        for each in everybody:
            stage.outside.kill(each.init, TERM)
        wait_until(lambda: calm.init.caught() == [TERM], "the handler to run")
        calm.init.channel.request("os._exit(0)")
        calm.init.fate()
        for each in everybody[:-1]:
            wait_until(lambda each=each: snapshots(each.inode) != [], "a snapshot", 20)  # type: ignore[misc]
            kill(stage, each)
    found = [causes(directory, each.init.pid) for each in everybody]
    assert found == [["dropped-at-generate"], ["shell-form"], ["blocked-forever"], ["slow-handler"], []]


def test_a_namespace_that_outlives_its_init_is_seen_by_the_recorder(
    stage: Stage, house: Namespace, tmp_path: Path
) -> None:
    directory = tmp_path / "signals"
    with recorder(directory, house, "--all") as snapshots:
        namespace = house.init.namespace()
        namespace.joined()  # the holder does not reap it
        stage.outside.kill(namespace.init, KILL)
        wait_until(lambda: "outlived" in snapshots(namespace.inode), "the second look", 20)
    assert causes(directory, namespace.init.pid) == ["zombie-held"]


def test_what_inits_pass_on_is_followed_in_a_recording_of_inits(
    stage: Stage, house: Namespace, tmp_path: Path
) -> None:
    require(os.path.exists(TINI), "tini", "tini is not installed")
    require(os.path.exists(DUMB_INIT), "dumb-init", "dumb-init is not installed")
    directory = tmp_path / "signals"
    with recorder(directory, house) as snapshots:
        ignoring, blocking, slow, chain, stopped, shell, healthy = (house.init.namespace() for _ in range(7))
        ignoring.init.become(TINI, "--", *app(IGNORES))
        blocking.init.become(DUMB_INIT, *app(BLOCKS))
        slow.init.become("/bin/sh", "-c", script(FORWARD, HANDLES))
        chain.init.become(TINI, "--", "/bin/sh", "-c", script(FORWARD, IGNORES))
        stopped.init.become(TINI, "--", *app(ENDS))
        shell.init.become(TINI, "--", "/bin/sh", "-c", script("trap 'exit' TERM; APP; true", ENDS))
        healthy.init.become(TINI, "--", *app(ENDS))
        paths = [[f"{name}[{each.init.pid}]"] for each, name in ((ignoring, "tini"), (blocking, "dumb-init"))]
        paths += [[f"sh[{slow.init.pid}]"], [f"tini[{chain.init.pid}]", f"sh[{child(chain.init.pid, 'sh')}]"]]
        above = [ignoring.init.pid, blocking.init.pid, slow.init.pid, child(chain.init.pid, "sh")]
        paths = [[*path, f"app[{child(pid)}]"] for path, pid in zip(paths, above, strict=True)]
        paths += [[f"tini[{stopped.init.pid}]", f"app[{child(stopped.init.pid)}]"]]
        paths += [[f"tini[{shell.init.pid}]", f"sh[{child(shell.init.pid, 'sh')}]"]]
        os.kill(child(stopped.init.pid), signal.SIGSTOP)
        child(child(shell.init.pid, "sh"))
        child(healthy.init.pid)
        hanging = (ignoring, blocking, slow, chain, stopped, shell)
        for each in (*hanging, healthy):
            stage.outside.kill(each.init, TERM)
        assert healthy.init.fate().state == "exited"
        signal.sigtimedwait([], 1.1)  # less is no time for a handler
        for each in hanging:
            wait_until(lambda each=each: snapshots(each.inode) != [], "a snapshot", 20)  # type: ignore[misc]
            kill(stage, each)
    found = [findings(directory, each.init.pid) for each in hanging]
    assert [[each["cause"] for each in those] for those in found] == [
        ["ignored-by-program"],
        ["blocked-forever"],
        ["slow-handler"],
        ["ignored-by-program"],
        ["stopped"],
        ["shell-form"],
    ]
    assert [those[0]["path"] for those in found] == paths
    assert {those[0]["severity"] for those in found} == {"error"}
    assert causes(directory, healthy.init.pid) == []


def test_a_zombie_init_that_is_reaped_late_is_told_as_past(
    stage: Stage, house: Namespace, tmp_path: Path
) -> None:
    directory = tmp_path / "signals"
    with recorder(directory, house) as snapshots:
        namespace = house.init.namespace()
        stage.outside.kill(namespace.init, KILL)
        wait_until(lambda: "outlived" in snapshots(namespace.inode), "a look at the zombie", 20)
        assert namespace.init.fate().state == "killed"  # its parent reaps it
        wait_until(lambda: _last_is_empty(directory, namespace.inode), "a look after that", 20)
    (found,) = findings(directory, namespace.init.pid)
    assert (found["cause"], found["past"], found["severity"]) == ("runtime-lost-exit", True, "notice")


def _last_is_empty(directory: Path, nsid: int) -> bool:
    frame = _rows(directory, nsid)
    last = frame[frame["time"] == frame["time"].max()]
    return last["tid"].tolist() == [0] and last["trigger"].tolist() == ["outlived"]


def test_zombies_under_an_init_are_told_from_a_recording_of_a_stop(
    stage: Stage, house: Namespace, tmp_path: Path
) -> None:
    directory = tmp_path / "signals"
    with recorder(directory, house):
        namespace = house.init.namespace()
        namespace.init("[os.fork() or os._exit(0) for _ in range(8)] and None")
        stage.outside.kill(namespace.init, TERM)
        wait_until(lambda: bool((_rows(directory, namespace.inode)["again"]).any()), "a second look", 20)
        kill(stage, namespace)
    assert causes(directory, namespace.init.pid) == ["dropped-at-generate", "unreaped-zombies"]


def test_a_container_that_shuts_itself_down_when_asked_is_a_clean_stop(
    stage: Stage, house: Namespace, tmp_path: Path
) -> None:
    directory = tmp_path / "signals"
    with recorder(directory, house):
        namespace = house.init.namespace()
        init, member = namespace.init, namespace.member()
        member("name('poweroff')")
        init.set("handler", TERM)
        stage.outside.kill(init, TERM)
        wait_until(lambda: init.caught() == [TERM], "the handler to run")
        member.channel.request("ctypes.CDLL(None).reboot(0x4321FEDC)")
        assert init.fate() == Fate("killed", signal.SIGINT)  # as reboot_pid_ns() has the parent see it
    done = subprocess.run(
        [*COMMAND, "postmortem", str(directory), "--ns", str(init.pid)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert f"reboot(2) by poweroff[{member.pid}]" in " ".join(done.stdout.split())
    listed = subprocess.run(
        [*COMMAND, "postmortem", str(directory)], capture_output=True, text=True, check=False
    )
    assert listed.returncode == 0, listed.stdout
    assert "TERM    shut down after " in listed.stdout
    summary = subprocess.run(
        [*COMMAND, "summary", str(directory)], capture_output=True, text=True, check=True
    )
    assert "killed: reboot(2)" in summary.stdout
    assert "1 init stopped, 0 of them by SIGKILL" in summary.stdout
