"""`sigtrace watch`, as its user runs it: what it prints for real signals, and how it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from sigtrace.cli.event_lines import EventLines
from sigtrace.events.batch import Batch
from sigtrace.events.columns import EVENT_FIELDS
from sigtrace.events.field import names
from sigtrace.lab.stage import Stage
from sigtrace.text import columns
from tests.builders.records import record
from tests.commands import at_work
from tests.patience import patient

COLUMNS = list(names(EVENT_FIELDS))

pytestmark = pytest.mark.kernel

_IGNORE = "import os, signal, sys; signal.signal(int(sys.argv[1]), signal.SIG_IGN); os.execv(sys.argv[2], sys.argv[2:])"
READY = "sigtrace: ready: watching signals dropped for namespace inits"


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Stage() as opened:
        yield opened


@contextmanager
def watching(
    *options: str, ignoring: signal.Signals | None = None, shifted: int = 0, merged: bool = False
) -> Iterator[subprocess.Popen[str]]:
    """A `sigtrace watch` that has said it is ready.

    `ignoring`: with that signal ignored; `shifted`: with its clock of uptime that many seconds ahead; `merged`:
    with its output going where its errors go.
    """
    wrapped = ["bash", "-c", 'exec "$@" >&2', "bash"] if merged else []
    wrapped += [sys.executable, "-c", _IGNORE, str(int(ignoring))] if ignoring else []
    with at_work("watch", *options, under=wrapped, shifted=shifted, output=subprocess.PIPE) as process:
        yield process


def _end(process: subprocess.Popen[str], number: int = signal.SIGINT) -> tuple[str, str]:
    process.send_signal(number)
    out, err = process.communicate(timeout=patient(20))
    assert process.returncode == 0, err
    return out, err


def _run(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sigtrace", "watch", *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=patient(30), check=False)


def _plain(line: str) -> str:
    """The line with times, inodes and PIDs made the same in every run."""
    line = re.sub(r"\d\d:\d\d:\d\d\.\d{3}", "<time>", line)
    line = re.sub(r"\b402653\d{4}\b", "<nsid>", line)
    return re.sub(r" +", " ", re.sub(r"/\d+\b", "/<pid>", line))


def test_drops_are_one_line_each_under_80_columns(stage: Stage) -> None:
    namespace = stage.namespace()
    member = namespace.member()
    with watching("--ns", str(namespace.inode)) as process:
        stage.outside.kill(namespace.init, 15)
        member.kill(namespace.init, 9)
        stage.outside.kill(namespace.init, 37)
        stage.outside.kill(namespace.init, 17)  # harmless: not a drop
        out, err = _end(process)
    assert max(map(len, out.splitlines())) < 80
    assert [_plain(line) for line in out.splitlines()] == [
        "TIME (UTC) NAMESPACE SIGNAL SENDER TARGET WHAT BECAME OF IT",
        "<time> <nsid> TERM python/<pid> python/<pid> dropped: no handler",
        "<time> <nsid> KILL python/<pid> python/<pid> dropped: from inside",
        "<time> <nsid> RTMIN+3 python/<pid> python/<pid> dropped: no handler",
    ]
    assert err.splitlines() == [
        f"sigtrace: 4 signals seen, 3 dropped: 3 in {namespace.inode}",
        "sigtrace: 0 records lost",
    ]


def test_json_lines_have_exactly_the_event_tables_columns(stage: Stage) -> None:
    namespace = stage.namespace()
    with watching("--ns", f"/proc/{namespace.init.pid}/ns/pid", "--format", "json") as process:
        stage.outside.kill(namespace.init, 15)
        out, _ = _end(process)
    (line,) = out.splitlines()
    row = json.loads(line)
    assert list(row) == COLUMNS
    expected = {
        "stage": "generate",
        "signal": 15,
        "signal_name": "SIGTERM",
        "code": 0,
        "result": 1,
        "disposition": "default",
        "unkillable": True,
        "blocked": False,
        "exiting": False,
        "traced": False,
        "kthread": False,
        "relation": "ancestor",
        "verdict": "dropped_at_generate",
        "nsid": namespace.inode,
        "ns_level": 1,
        "target_pid": namespace.init.pid,
        "target_tid": namespace.init.pid,
        "target_ns_pid": 1,
        "is_init": True,
        "sender_pid": stage.outside.pid,
        "sender_tid": stage.outside.pid,
        "sender_nsid": int(os.readlink("/proc/self/ns/pid")[5:-1]),
        "sender_uid": os.getuid(),
        "sender_parent_pid": os.getpid(),
        "exit_code": None,
        "exit_signal": None,
        "host": os.uname().nodename,
    }
    assert {name: row[name] for name in expected} == expected


def test_all_shows_every_signal_and_the_end(stage: Stage) -> None:
    namespace = stage.namespace()
    with watching("--ns", str(namespace.inode), "--all") as process:
        stage.outside.kill(namespace.init, 15)
        stage.outside.kill(namespace.init, 9)
        # it ends by itself: the only namespace it watches is gone
        out, err = process.communicate(timeout=patient(20))
    assert process.returncode == 0
    assert f"PID namespace {namespace.inode} has ended: its init, PID {namespace.init.pid}, exited" in err
    assert [_plain(line) for line in out.splitlines()][1:] == [
        "<time> <nsid> TERM python/<pid> python/<pid> dropped: no handler",
        "<time> <nsid> KILL python/<pid> python/<pid> queued",
        "<time> <nsid> exit - python/<pid> killed by SIGKILL",
    ]


def test_nothing_sent_after_ready_is_missed(stage: Stage) -> None:
    inits = [stage.namespace() for _ in range(5)]
    chosen = [word for namespace in inits for word in ("--ns", str(namespace.inode))]
    with watching(*chosen, "--format", "json", "--count", "500") as process:
        for _ in range(100):
            for namespace in inits:
                stage.outside.kill(namespace.init, 15)
        out, _ = process.communicate(timeout=patient(20))
    rows = [json.loads(line) for line in out.splitlines()]
    assert len(rows) == 500
    assert Counter(row["nsid"] for row in rows) == {namespace.inode: 100 for namespace in inits}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_with_the_summary(number: signal.Signals, stage: Stage) -> None:
    with watching("--ns", str(stage.namespace().inode)) as process:
        _, err = _end(process, number)
    assert re.fullmatch(r"sigtrace: [\d,]+ signals? seen, .*\nsigtrace: 0 records lost\n", err)


def test_a_duration_ends_it() -> None:
    done = _run("--duration", "300ms")
    assert done.returncode == 0
    assert done.stderr.startswith(READY)
    assert done.stderr.endswith("records lost\n")


def test_a_count_ends_it_at_that_very_number(stage: Stage) -> None:
    namespace = stage.namespace()
    with watching("--ns", str(namespace.inode), "--count", "2", "--format", "json") as process:
        for _ in range(5):
            stage.outside.kill(namespace.init, 15)
        out, err = process.communicate(timeout=patient(20))
    assert len(out.splitlines()) == 2
    assert process.returncode == 0
    assert "signals seen" in err


def test_a_reader_that_leaves_ends_it_even_when_nothing_happens(stage: Stage) -> None:
    namespace = stage.namespace()
    with watching("--ns", str(namespace.inode)) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("TIME")
        process.stdout.close()
        assert process.wait(patient(10)) == 0
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


def test_a_signal_filter_leaves_the_others_out(stage: Stage) -> None:
    namespace = stage.namespace()
    with watching("--ns", str(namespace.inode), "--signal", "int", "--signal", "RTMIN+3") as process:
        for number in (15, 2, 37):
            stage.outside.kill(namespace.init, number)
        out, _ = _end(process)
    assert [line.split()[2] for line in out.splitlines()[1:]] == ["INT", "RTMIN+3"]


def test_hostile_names_reach_the_terminal_as_escapes_only(stage: Stage) -> None:
    namespace = stage.namespace()
    sender = stage.actor()
    sender("open('/proc/self/comm', 'wb').write(b'\\x1b[2J\\n\\xff\\xe2\\x80\\xaex')")
    with watching("--ns", str(namespace.inode), "--count", "1") as process:
        sender.kill(namespace.init, 15)
        table, _ = process.communicate(timeout=patient(20))
    with watching("--ns", str(namespace.inode), "--count", "1", "--format", "json") as process:
        sender.kill(namespace.init, 15)
        lines, _ = process.communicate(timeout=patient(20))
    for text in (table, lines):
        assert all(char.isprintable() for line in text.splitlines() for char in line)
        assert "\x1b" not in text
    assert len(table.splitlines()) == 2
    assert " \\x1b" in table
    assert json.loads(lines)["sender_comm"].startswith("\x1b[2J\n\\xff\u202e")


def test_a_hostile_parent_reaches_a_wide_terminal_as_escapes_only(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    namespace = stage.namespace()
    parent = stage.actor()
    sender = parent.fork()
    parent("open('/proc/self/comm', 'wb').write(b'\\x1b]0;pwn\\x07\\n\\x85')")
    with watching("--ns", str(namespace.inode), "--count", "1") as process:
        sender.kill(namespace.init, 15)
        table, _ = process.communicate(timeout=patient(20))
    lines = table.removesuffix("\n").split("\n")
    assert len(lines) == 2
    assert all(char.isprintable() for line in lines for char in line)
    assert f"\\x1b]0;pwn\\x07\\n\\x85/{parent.pid}<" in lines[1]


def test_wide_characters_keep_the_columns_in_line(stage: Stage) -> None:
    namespace = stage.namespace()
    sender = stage.actor()
    sender("open('/proc/self/comm', 'wb').write('信号信号信'.encode())")
    with watching("--ns", str(namespace.inode), "--count", "1") as process:
        sender.kill(namespace.init, 15)
        table, _ = process.communicate(timeout=patient(20))
    header, line = table.splitlines()
    assert columns(line.partition("python/")[0]) == header.index("TARGET")


def test_output_that_cannot_be_written_is_one_sentence() -> None:
    command = [sys.executable, "-m", "sigtrace", "watch", "--duration", "2s"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=patient(30), check=False
        )
    assert done.returncode == 1
    assert done.stderr.endswith("sigtrace: No space left on device\n")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_descriptors_do_no_harm(closed: str) -> None:
    script = f"{sys.executable} -m sigtrace watch --duration 300ms {closed}"
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, timeout=patient(30), check=False
    )
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)


def test_too_few_descriptors_are_one_sentence() -> None:
    script = f"ulimit -n 12; {sys.executable} -m sigtrace watch --duration 300ms"
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, timeout=patient(30), check=False
    )
    assert done.returncode == 1
    assert "raise `ulimit -n`" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_second_signal_ends_it_even_when_nobody_reads_its_output(stage: Stage) -> None:
    namespace = stage.namespace()
    with watching("--ns", str(namespace.inode), "--format", "json") as process:
        for _ in range(300):  # more than a pipe holds
            stage.outside.kill(namespace.init, 15)
        wchan = Path(f"/proc/{process.pid}/wchan")
        deadline = time.monotonic() + patient(10)
        while "pipe" not in wchan.read_text() and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.3)
        process.send_signal(signal.SIGTERM)
        assert process.wait(patient(10)) == -signal.SIGTERM


def test_nohup_is_honoured(stage: Stage) -> None:
    with watching("--ns", str(stage.namespace().inode), ignoring=signal.SIGHUP) as process:
        process.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.5)
        _end(process)


def test_a_namespace_in_another_time_namespace_is_watched(stage: Stage) -> None:
    namespace = stage.namespace()
    with watching("--ns", str(namespace.inode), "--count", "1", shifted=1000) as process:
        before = datetime.now(timezone.utc).replace(microsecond=0) - timedelta(seconds=1)
        stage.outside.kill(namespace.init, 15)
        out, _ = process.communicate(timeout=patient(20))
    shown = datetime.strptime(out.splitlines()[1][:8], "%H:%M:%S")
    later = timedelta(hours=shown.hour, minutes=shown.minute, seconds=shown.second) - timedelta(
        hours=before.hour, minutes=before.minute, seconds=before.second
    )
    assert later % timedelta(days=1) <= datetime.now(timezone.utc) - before


def test_a_watch_with_a_duration_sends_itself_no_signal(stage: Stage) -> None:
    namespace = stage.namespace()
    done = _run("--ns", str(namespace.inode), "--all", "--duration", "300ms")
    assert "sigtrace: 0 signals seen, 0 dropped\n" in done.stderr
    with watching("--signal", "ALRM", "--all", "--duration", "300ms", "--format", "json") as process:
        out, _ = process.communicate(timeout=patient(20))
    assert process.pid not in [json.loads(line)["target_pid"] for line in out.splitlines()]


def test_a_resumed_process_is_not_called_ignored(stage: Stage) -> None:
    namespace = stage.namespace()
    member = namespace.member()
    with watching("--ns", str(namespace.inode), "--all", "--signal", "CONT", "--count", "1") as process:
        stage.outside.kill(member, 19)
        stage.outside.kill(member, 18)
        out, _ = process.communicate(timeout=patient(20))
    assert out.splitlines()[1].endswith("resumes if stopped")


def test_how_a_signal_was_sent_that_kill_did_not_send_is_told(stage: Stage) -> None:
    namespace = stage.namespace()
    member = namespace.member()
    member("name('poweroff')")
    with watching("--ns", str(namespace.inode), "--all", "--signal", "KILL", "--count", "1") as process:
        member.channel.request("ctypes.CDLL(None).reboot(0x4321FEDC)")
        out, _ = process.communicate(timeout=patient(20))
    assert out.splitlines()[1].endswith("queued: reboot(2)")
    batch = Batch(
        record(relation="kernel", signal=9, code=128, sender_pid=0, context_pid=8, context_comm=b"a\x1bb"), 0
    )
    (line,) = EventLines(140, colour=False).lines(batch)
    assert " kernel in a\\x1bb/8 " in line
    (line,) = EventLines(80, colour=False).lines(batch)
    assert " kernel " in line


def test_the_end_of_one_of_two_namespaces_is_told_after_what_led_to_it(stage: Stage) -> None:
    one, other = stage.namespace(), stage.namespace()
    chosen = ("--ns", str(one.inode), "--ns", str(other.inode))
    with watching(*chosen, "--all", merged=True) as process:
        assert process.stderr is not None
        process.stderr.readline()
        stage.outside.kill(one.init, 9)
        stage.outside.kill(other.init, 9)
        lines = process.communicate(timeout=patient(20))[1].splitlines()
    assert process.returncode == 0
    for namespace in (one, other):
        about = [
            line
            for line in lines
            if f"/{namespace.init.pid} " in line or f"PID {namespace.init.pid}," in line
        ]
        assert "has ended" in about[-1]


def test_in_a_container_it_says_whose_pids_it_shows() -> None:
    inside = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    done = subprocess.run(
        [*inside, sys.executable, "-m", "sigtrace", "watch", "--duration", "200ms"],
        capture_output=True,
        text=True,
        timeout=patient(30),
        check=False,
    )
    assert done.returncode == 0
    assert "PIDs are the host's, not those of this PID namespace" in done.stderr


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--signal", "TREM"), "unknown signal 'TREM': did you mean TERM?"),
        (("--signal", "99"), "unknown signal '99'"),
        (("--duration", "soon"), "'soon' is not a duration: write it as 250ms, 30s, 5m, 2h or 7d."),
        (("--ns", "4026531835"), "not a PID namespace"),
        (("--ns", "/etc/passwd"), "/etc/passwd is not a namespace file"),
        (("--ns", "4194303"), "4194303"),
        (
            ("--ns", f"net:[{os.stat('/proc/self/ns/net').st_ino}]"),
            "is a network namespace, not a PID namespace",
        ),
        (("--ns", str(os.stat("/proc/self/ns/net").st_ino)), "is a network namespace, not a PID namespace"),
        (("--count", "0"), "0 is not in the range"),
        (("--descendants",), "--descendants needs --ns"),
    ],
)
def test_bad_input_gets_one_sentence_and_a_usage_code(options: tuple[str, ...], says: str) -> None:
    done = _run(*options)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_without_privileges_it_says_what_to_grant(tmp_path: Path) -> None:
    drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"]
    done = subprocess.run(
        [*drop, sys.executable, "-m", "sigtrace", "watch", "--duration", "1s"],
        capture_output=True,
        text=True,
        timeout=patient(30),
        check=False,
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1, done.stderr
    assert "run as root, or grant CAP_BPF and CAP_PERFMON" in done.stderr


def test_a_watch_that_has_seen_nothing_stays_small(stage: Stage) -> None:
    namespace = stage.namespace()
    with watching("--ns", str(namespace.inode)) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("TIME")
        assert "numpy" not in Path(f"/proc/{process.pid}/maps").read_text()
        stage.outside.kill(namespace.init, 15)
        assert "dropped: no handler" in process.stdout.readline()


def test_two_instances_run_side_by_side(stage: Stage) -> None:
    namespace = stage.namespace()
    options = ("--ns", str(namespace.inode), "--count", "1", "--format", "json")
    with watching(*options) as one, watching(*options) as other:
        stage.outside.kill(namespace.init, 15)
        rows = [json.loads(process.communicate(timeout=patient(20))[0]) for process in (one, other)]
    for row in rows:
        del row["time"]  # each has its own programs, run one after the other
    assert rows[0] == rows[1]
