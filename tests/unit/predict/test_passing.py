"""The processes to which a signal is passed on, found in a made-up /proc. `tests/kernel` follows real ones."""

from __future__ import annotations

import platform
import struct
from pathlib import Path

import pytest

from sigtrace.predict.kernel_rules import predict
from sigtrace.predict.passing import Step, follow
from sigtrace.procfs.target import read_cmdline, read_target
from sigtrace.signals import TERM, mask
from tests.builders.fakeproc import FakeProc

INSIDE = 4026532249
NATIVE = {"x86_64": 128, "aarch64": 137}.get(platform.machine(), 0)
pytestmark = pytest.mark.skipif(
    not NATIVE, reason="the number of rt_sigtimedwait is known for x86_64 and aarch64"
)


@pytest.fixture
def fake(tmp_path: Path) -> FakeProc:
    return FakeProc(tmp_path)


def tini(
    fake: FakeProc, pid: int, children: str, cmdline: bytes = b"tini\0--\0app\0", parent: int = 1
) -> None:
    """A process that waits in sigtimedwait, as tini does."""
    home = fake.process(
        pid, nsid=INSIDE, comm="tini", ppid=parent, nspid=f"{pid}\t{1 if parent == 1 else pid}"
    )
    (home / "cmdline").write_bytes(cmdline)
    task = home / "task" / str(pid)
    (task / "children").write_text(children)
    (task / "syscall").write_text(f"{NATIVE} 0x40 0x0 0x0 0x8 0x0 0x0 0x7ffe 0x7fff\n")
    (task / "wchan").write_text("do_sigtimedwait")
    (task / "mem").write_bytes(bytes(0x40) + struct.pack("<Q", mask([TERM])))


def followed(fake: FakeProc, pid: int = 7) -> Step:
    target = read_target(pid, str(fake))
    return follow(target, TERM, predict(target, TERM, "ancestor"), read_cmdline(target, str(fake)), str(fake))


def pids(step: Step) -> list[tuple[int, int]]:
    return [(row["pid"], row["by_pid"]) for row in step.rows()]  # type: ignore[misc]


def test_the_child_is_read_with_its_masks(fake: FakeProc) -> None:
    tini(fake, 7, "8 ")
    fake.process(8, nsid=INSIDE, ppid=7, ignored=mask([TERM]), nspid="8\t2")
    (row,) = followed(fake).rows()
    assert row == {
        "pid": 8,
        "comm": "app",
        "by_pid": 7,
        "signal": "SIGTERM",
        "sure": True,
        "word": "ignore",
        "outcome": "ignored: the program asked for that",
    }


def test_the_first_child_is_the_one_that_was_started_first(fake: FakeProc) -> None:
    tini(fake, 7, "8 9 10 ")
    for pid, start, state in ((8, 300, "S"), (9, 200, "S"), (10, 100, "Z")):
        fake.process(pid, nsid=INSIDE, start=start, ppid=7, state=state)
    assert pids(followed(fake)) == [(9, 7)]


def test_a_process_group_is_looked_for_among_all_descendants(fake: FakeProc) -> None:
    tini(fake, 7, "8 ", b"tini\0-g\0app\0")
    (fake.process(8, nsid=INSIDE, ppid=7) / "task" / "8" / "children").write_text("9 ")
    home = fake.process(9, nsid=INSIDE, ppid=8)
    stat = (home / "stat").read_text().replace("S 8 9 9", "S 8 8 9")
    (home / "stat").write_text(stat)
    assert pids(followed(fake)) == [(8, 7), (9, 7)]


def test_a_chain_ends_somewhere(fake: FakeProc) -> None:
    for pid in range(7, 40):
        tini(fake, pid, f"{pid + 1} ", parent=1 if pid == 7 else pid - 1)
    assert pids(followed(fake)) == [(pid + 1, pid) for pid in range(7, 15)]


def test_who_is_gone_or_not_shown_is_left_out(fake: FakeProc) -> None:
    tini(fake, 7, "8 ")
    assert followed(fake).passed == ()
    (fake.root / "7" / "task" / "7" / "children").unlink()
    assert followed(fake).passed == ()


def test_who_does_not_take_the_signal_passes_nothing_on(fake: FakeProc) -> None:
    tini(fake, 7, "8 ")
    fake.process(8, nsid=INSIDE, ppid=7)
    (fake.root / "7" / "task" / "7" / "syscall").write_text("7 0x1 0x2\n")
    step = followed(fake)
    assert (step.takes, step.passed) == (False, ())


def test_busybox_is_known_by_its_executable(fake: FakeProc) -> None:
    tini(fake, 7, "", b"init\0")
    for name in ("stat", "task/7/stat"):
        path = fake.root / "7" / name
        path.write_text(path.read_text().replace("(tini)", "(init)"))
    assert followed(fake).act is None
    (fake.root / "7" / "exe").symlink_to("/bin/busybox")
    act = followed(fake).act
    assert act is not None
    assert (act.to, act.grace) == ("everyone", "1 s")
