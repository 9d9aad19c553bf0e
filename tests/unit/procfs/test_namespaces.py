"""A pass over /proc: which PID namespaces there are, and what keeps them."""

from __future__ import annotations

from pathlib import Path

import pytest

from sigtrace.procfs.namespaces import survey
from tests.builders.fakeproc import OWN, FakeProc

A, B = 4026532249, 4026532300


@pytest.fixture
def fake(tmp_path: Path) -> FakeProc:
    return FakeProc(tmp_path)


def test_a_namespace_is_known_by_its_members_and_its_init(fake: FakeProc) -> None:
    fake.process(10, nsid=A, start=500, ppid=1, nspid="10\t1")
    fake.process(11, nsid=A, start=501, ppid=10, nspid="11\t2")
    fake.process(12, nsid=A, start=502, ppid=1, nspid="12\t3")  # born outside, as docker exec does it
    seen = survey(str(fake))
    assert [each.nsid for each in seen.namespaces] == [OWN, A]
    found = seen.find(A)
    assert found is not None
    assert (found.init_pid, found.ns_start, found.level, found.processes, found.tasks) == (10, 500, 1, 3, 3)


def test_a_namespace_without_its_init_is_listed_as_such(fake: FakeProc) -> None:
    fake.process(12, nsid=A, ppid=1, nspid="12\t3")
    found = survey(str(fake)).find(A)
    assert found is not None
    assert (found.init_pid, found.processes) == (None, 1)


def test_what_keeps_an_empty_namespace_is_named(fake: FakeProc) -> None:
    waiting = fake.process(5) / "ns" / "pid_for_children"
    waiting.unlink()
    waiting.symlink_to(f"pid:[{A}]")
    mounts = fake.root / "1" / "mountinfo"
    mounts.write_bytes(mounts.read_bytes() + f"40 1 0:4 pid:[{B}] /run/a\\040b rw - nsfs nsfs rw\n".encode())
    seen = survey(str(fake))
    kept = {each.nsid: (each.kept_by, each.processes) for each in seen.namespaces}
    assert kept[A] == (("PID 5",), 0)
    assert kept[B] == (("/run/a b",), 0)


def test_a_process_that_goes_during_the_survey_is_left_out(fake: FakeProc) -> None:
    (fake.process(10, nsid=A, nspid="10\t1") / "stat").unlink()
    (fake.process(11, nsid=B, nspid="11\t1") / "status").unlink()
    seen = survey(str(fake))
    assert seen.find(A) is None
    found = seen.find(B)
    assert found is not None
    assert found.init_pid is None


@pytest.mark.parametrize(
    ("options", "hidden"),
    [(b"rw", False), (b"rw,hidepid=0", False), (b"rw,hidepid=2", True), (b"rw,hidepid=invisible", True)],
)
def test_hidepid_is_noticed(fake: FakeProc, options: bytes, hidden: bool) -> None:
    (fake.root / "1" / "mountinfo").write_bytes(b"22 1 0:21 / /proc rw - proc proc " + options + b"\n")
    assert survey(str(fake)).hidden == hidden
