"""Whom an init that has ended waits for, and what would let them go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sigtrace.procfs.namespaces import PidNamespace, Survey, survey
from sigtrace.procfs.remaining import THAW, Remaining, advice, remaining, waits_for
from tests.builders.fakeproc import OWN, FakeProc

NSID, INNER, BESIDE = 4026532249, 4026532300, 4026532301
ZOMBIE = Remaining(50, "app", "Z")


@pytest.mark.parametrize(
    ("left", "words", "remedy"),
    [
        (ZOMBIE, "PID 50, a zombie", ""),
        (
            Remaining(50, "app", "Z", 7, "supervisor"),
            "PID 50, a zombie of supervisor[7] outside the namespace",
            "have its parent PID 7 (supervisor) reap it, or end that parent",
        ),
        (
            Remaining(50, "app", "Z", 7, "supervisor", tracer_pid=8),
            "PID 50, a zombie that its tracer, PID 8, has not waited for",
            "have the tracer PID 8 wait for it, or end the tracer",
        ),
        (Remaining(50, "app", "S", frozen="v1"), "PID 50 (app), frozen by cgroup v1", f"PID 50: {THAW}"),
        (
            Remaining(50, "app", "D"),
            "PID 50 (app), in uninterruptible sleep",
            "PID 50 cannot end before its sleep does: /proc/50/stack shows where it sleeps",
        ),
        (Remaining(50, "app", "R"), "PID 50 (app), in state R", ""),
    ],
)
def test_what_keeps_a_process_and_what_would_let_it_go(left: Remaining, words: str, remedy: str) -> None:
    assert (str(left), left.advice) == (words, remedy)
    assert waits_for([left]) == words
    assert advice([left]) == ([remedy] if remedy else [])


def test_of_many_a_few_are_told_and_no_advice_twice() -> None:
    parent = {"parent_pid": 7, "parent_comm": "supervisor"}
    many = [Remaining(pid, "app", "Z", **parent) for pid in range(50, 55)]  # type: ignore[arg-type]
    assert waits_for(many).count("a zombie of supervisor[7]") == 3
    assert waits_for(many).endswith("; and for 2 more")
    assert advice(many) == ["have its parent PID 7 (supervisor) reap it, or end that parent"]


def test_of_nobody_it_is_said_what_it_waits_for_anyway() -> None:
    assert waits_for([]) == "all other processes of the namespace to be reaped"
    assert advice([]) == []


@pytest.fixture
def fake(tmp_path: Path) -> FakeProc:
    """A namespace with its init 50."""
    fake = FakeProc(tmp_path)
    fake.process(50, nsid=NSID, nspid="50\t1", comm="init")
    return fake


def found(fake: FakeProc, nsid: int | None = NSID) -> tuple[Remaining, ...]:
    return remaining(survey(str(fake)), nsid, str(fake))


def zombie(fake: FakeProc, pid: int, **facts: Any) -> None:
    fake.process(pid, nsid=NSID, state="Z", nspid=f"{pid}\t{pid}", **facts)


def test_the_rest_of_the_namespace_and_of_those_below_is_waited_for_but_not_the_init(fake: FakeProc) -> None:
    fake.process(51, nsid=NSID, ppid=50)
    fake.process(52, nsid=INNER, ppid=51)
    fake.process(60, nsid=BESIDE)
    spaces = (
        *(PidNamespace(OWN, 0, None, 1, 1), PidNamespace(NSID, 1, OWN, 50, 1)),
        *(PidNamespace(INNER, 2, NSID, 52, 1), PidNamespace(BESIDE, 1, OWN, 60, 1)),
    )
    members = {NSID: (50, 51), INNER: (52,), BESIDE: (60,)}
    left = remaining(Survey(spaces, 5, 0, False, members), NSID, str(fake))
    assert [each.pid for each in left] == [51, 52]


def test_a_parent_counts_only_when_it_lives_outside(fake: FakeProc) -> None:
    zombie(fake, 51, ppid=50)
    fake.process(60, nsid=OWN, comm="supervisor")
    zombie(fake, 52, ppid=60)
    assert [(each.pid, each.parent_pid, each.parent_comm) for each in found(fake)] == [
        (51, 0, ""),
        (52, 60, "supervisor"),
    ]


def test_a_tracer_is_named(fake: FakeProc) -> None:
    zombie(fake, 51, ppid=50, tracer=61)
    assert [each.tracer_pid for each in found(fake)] == [61]


def test_a_zombie_is_kept_by_no_freezer(fake: FakeProc, tmp_path: Path) -> None:
    cgroup = tmp_path / "cgroup" / "app"
    cgroup.mkdir(parents=True)
    (cgroup / "cgroup.events").write_text("populated 1\nfrozen 1\n")
    mounts = fake.root / "1" / "mountinfo"
    mount = f"41 31 0:38 / {tmp_path}/cgroup rw - cgroup2 cgroup2 rw\n"
    mounts.write_bytes(mounts.read_bytes() + mount.encode())
    fake.process(51, nsid=NSID, ppid=50, nspid="51\t2")
    zombie(fake, 52, ppid=50)
    for pid in (51, 52):
        (fake.root / str(pid) / "cgroup").write_bytes(b"0::/app\n")
    assert [(each.pid, each.frozen) for each in found(fake)] == [(51, "v2"), (52, "")]


def test_who_goes_meanwhile_is_left_out(fake: FakeProc) -> None:
    zombie(fake, 51, ppid=50)
    fake.process(52, nsid=NSID, ppid=50, nspid="52\t3")
    seen = survey(str(fake))
    (fake.root / "51" / "stat").unlink()
    (fake.root / "52" / "stat").write_text("52 (")
    assert remaining(seen, NSID, str(fake)) == ()


def test_of_a_namespace_that_is_not_known_nobody_is_known(fake: FakeProc) -> None:
    zombie(fake, 51, ppid=50)
    assert found(fake, None) == ()
    assert found(fake, 4026539999) == ()
