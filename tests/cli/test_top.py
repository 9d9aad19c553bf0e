"""`sigtrace top` in a real terminal, on real namespaces that really drop signals; and how it leaves the terminal."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sigtrace.lab.actor import Namespace
from sigtrace.lab.stage import Stage
from tests.containers import dockerlike
from tests.patience import patient
from tests.terminal import Tty, running

pytestmark = pytest.mark.kernel


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Stage() as opened:
        yield opened


def _row(tty: Tty, namespace: Namespace) -> list[str]:
    """The words of the namespace's line; none while it has none. An inode may have been another's that has ended."""
    found = [line.split() for line in tty.lines[4:-1] if line.startswith(str(namespace.inode))]
    return next((words for words in found if words[1] == str(namespace.init.pid)), [])


def _ready(tty: Tty) -> None:
    tty.shows("sorted by")


def test_a_drop_shows_in_the_row_of_its_namespace(stage: Stage, tmp_path: Path) -> None:
    namespace, other = stage.namespace(), stage.namespace()
    with running(tmp_path, "top", "--ns", str(namespace.init.pid), "--ns", str(other.init.pid)) as tty:
        _ready(tty)
        assert _row(tty, namespace)[1:7] == [str(namespace.init.pid), "python", "sleeps", "0", "0", "0"]
        stage.outside.kill(namespace.init, 1)
        for _ in range(2):
            stage.outside.kill(namespace.init, 15)
        tty.until(lambda: _row(tty, namespace)[6] == "3")
        assert _row(tty, namespace)[7] == "TERM"
        assert _row(tty, namespace)[9] == "python"
        assert re.fullmatch(r"\ds", _row(tty, namespace)[8])
        assert "2 namespaces, 1 with drops" in tty.text
        assert [line[:10] for line in tty.lines[4:6]] == [str(namespace.inode), str(other.inode)]
        tty.until(lambda: _row(tty, namespace)[5] == "0")  # nothing more: the rate falls back
        assert _row(tty, namespace)[6] == "3"


def test_without_a_filter_all_namespaces_of_the_host_are_listed(stage: Stage, tmp_path: Path) -> None:
    namespace = stage.namespace()
    with running(tmp_path, "top", lines=60) as tty:
        _ready(tty)
        tty.press(f"/{namespace.inode}\r")
        tty.shows(f"only '{namespace.inode}': 1 of ")
        assert _row(tty, namespace)
        tty.press("\x1b")
        tty.until(lambda: "only " not in tty.lines[2])


def test_a_namespace_that_is_born_and_ends_is_listed_at_once(stage: Stage, tmp_path: Path) -> None:
    with running(tmp_path, "top", "--interval", "200ms") as tty:
        _ready(tty)
        namespace = stage.namespace()
        stage.outside.kill(namespace.init, 15)
        tty.press(f"/{namespace.inode}\r")
        tty.until(lambda: _row(tty, namespace)[3:4] == ["sleeps"])
        namespace.init.end()
        tty.until(lambda: _row(tty, namespace)[3:4] == ["ended"])


def test_keys_sort_and_select_and_open_the_last_events(stage: Stage, tmp_path: Path) -> None:
    first, second = stage.namespace(), stage.namespace()
    chosen = [word for each in (first, second) for word in ("--ns", str(each.init.pid))]
    with running(tmp_path, "top", *chosen, "--interval", "200ms") as tty:
        _ready(tty)
        stage.outside.kill(second.init, 15)
        tty.until(lambda: _row(tty, second)[6] == "1")
        tty.press("i")
        tty.shows("sorted by INIT, ascending")
        order = sorted((first, second), key=lambda each: each.init.pid)
        assert [line[:10] for line in tty.lines[4:6]] == [str(each.inode) for each in order]
        tty.press("i")
        tty.shows("sorted by INIT, descending")
        assert [line[:10] for line in tty.lines[4:6]] == [str(each.inode) for each in reversed(order)]
        tty.press("t")
        tty.shows("sorted by DROPS, descending")
        tty.press("\x1b[B\x1b[A\r")  # down, up, enter
        tty.shows(f"PID namespace {second.inode}")
        tty.shows("dropped: no handler")
        assert "1 dropped" in tty.text
        stage.outside.kill(second.init, 2)
        tty.until(lambda: any(" INT " in line for line in tty.lines))
        tty.press("\x1b")
        _ready(tty)


def test_help_and_pause(stage: Stage, tmp_path: Path) -> None:
    namespace = stage.namespace()
    with running(tmp_path, "top", "--ns", str(namespace.init.pid), "--interval", "200ms") as tty:
        _ready(tty)
        tty.press("h")
        tty.shows("any key goes back")
        tty.press("x ")
        tty.shows("PAUSED")
        before = _row(tty, namespace)
        stage.outside.kill(namespace.init, 15)
        with pytest.raises(AssertionError, match="not within"):
            tty.until(lambda: _row(tty, namespace) != before, 1.0)
        tty.press(" ")
        tty.until(lambda: _row(tty, namespace)[6] == "1")


def test_another_size_is_another_layout(stage: Stage, tmp_path: Path) -> None:
    namespace = stage.namespace()
    with running(tmp_path, "top", "--ns", str(namespace.init.pid), "--interval", "60s") as tty:
        _ready(tty)
        assert tty.lines[23].endswith("q quit")
        tty.resize(120, 40)
        tty.until(lambda: tty.lines[39].endswith("q quit"))
        assert tty.lines[23] == ""
        assert tty.lines[0].endswith("UTC")
        assert len(tty.lines[0]) == 120
        tty.resize(60, 10)
        tty.until(lambda: tty.lines[9].startswith("enter events") and len(tty.lines[0]) == 60)
        assert _row(tty, namespace)


def test_hostile_names_and_no_color_send_nothing_but_our_own_sequences(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    namespace = stage.namespace()
    for actor in (namespace.init, stage.outside):
        actor("open('/proc/self/comm', 'wb').write(b'\\x1b[31m\\n\\xe2\\x80\\xae')")
    with running(tmp_path, "top", "--ns", str(namespace.init.pid), "--interval", "200ms", columns=120) as tty:
        _ready(tty)
        stage.outside.kill(namespace.init, 15)
        tty.shows("\\x1b[31m\\n")
        tty.press("\r")
        tty.shows("dropped: no handler")
        tty.press("qq")
        tty.shows("BACK")
    ours = rb"\x1b\[(?:\?(?:1049|25|7)[hl]|\d*;?\d*H|2?[JK]|(?:0|1|2|4|7|22|24|27)?m)"
    rest = re.sub(ours, b"", tty.raw.partition(b"\x1b[?1049l")[0])
    assert b"\x1b" not in rest
    assert "\u202e" not in tty.raw.decode()


def _once(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sigtrace", "top", *options]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=patient(60), check=False, stdin=subprocess.DEVNULL
    )


def test_once_prints_a_table_for_scripts(stage: Stage) -> None:
    namespace = stage.namespace()
    done = _once("--once", "--interval", "100ms", "--ns", str(namespace.init.pid))
    assert done.returncode == 0, done.stderr
    assert [line.split()[:7] for line in done.stdout.splitlines()] == [
        ["NAMESPACE", "INIT", "COMMAND", "STATE", "SIG/S", "DROP/S", "DROPS"],
        [str(namespace.inode), str(namespace.init.pid), "python", "sleeps", "0", "0", "0"],
    ]


def test_a_container_is_called_by_its_name(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    namespace, name = stage.namespace(), f"web-{os.getpid()}"
    with dockerlike(namespace.init.pid, name, "nginx:1.25") as web:
        monkeypatch.setenv("SIGTRACE_ROOTS", web.env["SIGTRACE_ROOTS"])
        done = _once("--once", "--interval", "200ms", "--container", f"{name[:-1]}*")
        assert [line.split()[:2] for line in done.stdout.splitlines()[1:]] == [
            [name, str(namespace.init.pid)]
        ], done
        with running(tmp_path, "top", columns=120) as tty:
            tty.press("/nginx\r")
            tty.until(lambda: tty.lines[4].startswith(name))


def test_once_prints_json_with_stable_keys(stage: Stage) -> None:
    namespace = stage.namespace()
    command = [
        sys.executable,
        "-m",
        "sigtrace",
        "top",
        "--once",
        "--format",
        "json",
        "--interval",
        "3s",
        "--ns",
        str(namespace.init.pid),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            stage.outside.kill(namespace.init, 15)
            try:
                process.wait(0.1)
            except subprocess.TimeoutExpired:
                continue
        assert process.stdout is not None
        (row,) = [json.loads(line) for line in process.stdout]
    assert row["nsid"] == namespace.inode
    assert row["drops"] == row["signals"] > 5
    assert row["drops_per_second"] == pytest.approx(10, rel=0.5)
    assert (row["last_drop_signal"], row["last_drop_sender"]) == ("SIGTERM", "python")
    assert row["state"] == "sleeps"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ((), "stdin and stdout are not a terminal: use --once to print one sample."),
        (("--format", "json"), "--format json needs --once"),
        (("--interval", "1ms", "--once"), "too short: give at least 100ms"),
        (("--once", "--ns", "4026500000"), "no PID namespace has the inode 4026500000"),
    ],
)
def test_bad_input_gets_one_sentence(options: tuple[str, ...], says: str) -> None:
    done = _once(*options)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
