"""What traces needs four capabilities to begin and two to go on, and keeps no more, in no thread and no child."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import sigtrace
from sigtrace.lab.channel import DEADLINE
from sigtrace.lab.stage import Stage
from tests.commands import COMMAND, at_work
from tests.patience import patient

pytestmark = pytest.mark.kernel

ROOT = Path(sigtrace.__file__).parents[1]
_BEGIN = ("bpf", "perfmon", "sys_ptrace", "dac_read_search")
_GO_ON = 1 << 19 | 1 << 2
"""CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH, as /proc/PID/status shows them."""
_BPF = 1 << 39
"""Before Linux 5.19, to read maps needs it too."""


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Stage() as opened:
        yield opened


def _as_nobody() -> tuple[str, ...]:
    """Words that start a command as nobody with the capabilities of _BEGIN."""
    given = "-all," + ",".join(f"+{name}" for name in _BEGIN)
    return (
        *("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"),
        *(f"--inh-caps={given}", f"--ambient-caps={given}", f"--bounding-set={given}"),
    )


def _threads(pid: int) -> Iterator[dict[str, str]]:
    """/proc/PID/status of every thread of a process and its descendants."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        lines = (thread / "status").read_text().splitlines()
        yield dict(line.split(":\t", 1) for line in lines)
        for child in (thread / "children").read_text().split():
            yield from _threads(int(child))


def _settled(pid: int, processes: int) -> list[dict[str, str]]:
    """The threads, once there are so many processes: a recorder has a supervisor, and a helper that reads /proc."""
    deadline = time.monotonic() + DEADLINE
    found: list[dict[str, str]] = []
    while len({each["Tgid"] for each in found}) < processes:
        assert time.monotonic() < deadline
        time.sleep(0.02)
        found = list(_threads(pid))
    return found


@pytest.mark.parametrize("words", ["watch", "record"])
@pytest.mark.parametrize("who", ["root", "nobody"])
def test_once_it_traces_no_thread_keeps_more_than_reading_takes(
    words: str, who: str, stage: Stage, tmp_path: Path
) -> None:
    tmp_path.chmod(0o755)
    where = tmp_path / "place"
    where.mkdir()
    os.chown(where, *((65534, 65534) if who == "nobody" else (1000, 1000)))  # root may not own what is above
    namespace = stage.namespace()
    command = [words, *([str(where / "r")] if words == "record" else []), "--ns", str(namespace.init.pid)]
    under = _as_nobody() if who == "nobody" else ()
    with at_work(*command, under=under, output=subprocess.DEVNULL) as process:
        stage.outside.kill(namespace.init, 15)
        threads = _settled(process.pid, 3 if words == "record" else 1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=patient(60))
    assert process.returncode == 0, err
    assert "1 signal seen, 1 dropped" in err
    for sets in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
        assert {int(each[sets], 16) & ~_BPF for each in threads} <= {0, _GO_ON}, sets
    assert {each["NoNewPrivs"] for each in threads} == {"1"}
    assert _GO_ON in {int(each["CapEff"], 16) & ~_BPF for each in threads}
    if words == "record":
        seen = sigtrace.open(where / "r").snapshots()
        rows = seen[(seen["nsid"] == namespace.inode) & (seen["pid"] == namespace.init.pid)]
        assert len(rows)
        assert set(rows["awaited"]) == {"0" * 16}  # of /proc/PID/syscall, which has mode 0400
        assert set(rows["problem"]) == {""}


def test_nobody_who_was_given_these_sees_in_top_what_root_sees(stage: Stage) -> None:
    namespace = stage.namespace()
    top = [*_as_nobody(), *COMMAND, "top", "--once", "--interval", "200ms", "--ns", str(namespace.init.pid)]
    done = subprocess.run(top, capture_output=True, text=True, check=False)
    assert [line.split()[:3] for line in done.stdout.splitlines()[1:]] == [
        [str(namespace.inode), str(namespace.init.pid), "python"]
    ], done.stderr


_START = "import sys; sys.path[:0] = sys.argv.pop(1).split(':'); from sigtrace.cli import main; main()"


def test_what_a_users_environment_would_load_is_in_none_of_its_processes(
    stage: Stage, tmp_path: Path
) -> None:
    """As with sudo, the kernel sets AT_SECURE, and the loader drops LD_*; children get nothing of PYTHON* either."""
    for directory in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        directory.chmod(0o755)
    where, python = tmp_path / "place", tmp_path / "python"
    where.mkdir()
    os.chown(where, 65534, 65534)
    shutil.copy(Path(sys.executable).resolve(), python)
    capabilities = ",".join(f"cap_{name}" for name in _BEGIN)
    subprocess.run(["setcap", f"{capabilities}=ep", str(python)], check=True)
    (where / "json.py").write_text("raise SystemExit('a user decides what root imports')\n")
    library = next(Path("/lib").glob("*/libBrokenLocale.so.1"))
    hostile = {"LD_PRELOAD": str(library), "PYTHONPATH": str(where), "PYTHONHOME": str(where)}
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    packages = ":".join(path for path in (str(ROOT), *sys.path) if path)
    namespace = stage.namespace()
    words = ("record", str(where / "r"), "--ns", str(namespace.inode))
    process = subprocess.Popen(
        [*nobody, str(python), "-I", "-c", _START, packages, *words],
        env={**os.environ, **hostile},
        cwd=where,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("sigtrace: ready")
        stage.outside.kill(namespace.init, 15)
        pids = {int(thread["Tgid"]) for thread in _settled(process.pid, 3)}
        mapped = [Path(f"/proc/{pid}/maps").read_text() for pid in pids]
        (helper,) = (pid for pid in pids if b"helper.serve" in Path(f"/proc/{pid}/cmdline").read_bytes())
        given = Path(f"/proc/{helper}/environ").read_bytes()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=patient(60))
    finally:
        process.kill()
        process.communicate()
    assert all("libc.so" in each and library.name not in each for each in mapped)
    assert b"LD_PRELOAD=" not in given
    assert process.returncode == 0, err
    rows = sigtrace.open(where / "r").snapshots()
    assert namespace.init.pid in set(rows["pid"])  # whose reader has not imported what lay there
