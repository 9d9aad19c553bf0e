"""Every way to name a PID namespace, right or wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sigtrace.errors import BadInput
from sigtrace.procfs import pidns
from tests.builders.fakeproc import FakeProc

A, B = 4026532249, 4026532300


@pytest.fixture
def fake(tmp_path: Path) -> FakeProc:
    return FakeProc(tmp_path)


@pytest.mark.parametrize("text", [str(A), f"pid:[{A}]", "10", f"  {A} "])
def test_a_namespace_may_be_written_in_many_ways(fake: FakeProc, text: str) -> None:
    fake.process(10, nsid=A, nspid="10\t1")
    assert pidns.parse_ns(text, str(fake)) == A


def test_our_own_namespace_by_its_path() -> None:
    inode = os.stat("/proc/self/ns/pid").st_ino
    assert pidns.parse_ns("/proc/self/ns/pid") == inode
    assert pidns.parse_ns(f"/proc/{os.getpid()}/ns/pid_for_children") == inode


@pytest.mark.parametrize("kind", ["net", "mnt", "user", "uts", "ipc", "cgroup"])
def test_another_kind_of_namespace_is_refused_by_its_kind(kind: str) -> None:
    link = os.readlink(f"/proc/self/ns/{kind}")
    inode = link.partition("[")[2].rstrip("]")
    for text in (link, inode):
        with pytest.raises(
            BadInput, match=r"is an? \w+ namespace, not a PID namespace: the PID namespaces are \d"
        ):
            pidns.parse_ns(text)
    with pytest.raises(BadInput, match="is another kind of namespace"):
        pidns.parse_ns(f"/proc/self/ns/{kind}")


def test_an_inode_of_nothing_is_refused_with_a_list_of_what_there_is(fake: FakeProc) -> None:
    for pid in range(10, 22):
        fake.process(pid, nsid=A + pid, start=pid, nspid=f"{pid}\t1")
    with pytest.raises(BadInput) as refused:
        pidns.parse_ns("4026539999", str(fake))
    assert str(refused.value) == (
        "no PID namespace has the inode 4026539999: the PID namespaces are 4026531836, "
        + ", ".join(str(A + pid) for pid in range(10, 17))
        + " and 5 more; `sigtrace scan` shows them"
    )


def test_an_inode_that_may_only_be_invisible_is_not_said_to_be_none(
    fake: FakeProc, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = fake.process(10, nspid="10\t1") / "ns" / "pid"
    link.unlink()
    real = os.readlink

    def readlink(path: str) -> str:
        if path == str(link):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "readlink", readlink)
    with pytest.raises(BadInput) as refused:
        pidns.parse_ns(str(A), str(fake))
    assert str(refused.value) == (
        f"no visible PID namespace has the inode {A}: run sigtrace as root or grant CAP_SYS_PTRACE"
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("0", "0 is not a PID: a PID is 1 or more"),
        ("999", "there is no process 999 here: it has ended, or never existed"),
        ("4194304", "there is no process 4194304 here: it has ended, or never existed"),
        ("/etc/passwd", "/etc/passwd is not a namespace file: give one such as /proc/PID/ns/pid"),
        ("/dev/tty", "/dev/tty is not a namespace file: give one such as /proc/PID/ns/pid"),
        ("mycontainer", "'mycontainer' is not a PID namespace: give an inode, pid:[inode], a path or a PID"),
        ("", "'' is not a PID namespace: give an inode, pid:[inode], a path or a PID"),
        ("a\0b", "'a\\x00b' is not a PID namespace: give an inode, pid:[inode], a path or a PID"),
        ("x\x1b[2J", "'x\\x1b[2J' is not a PID namespace: give an inode, pid:[inode], a path or a PID"),
    ],
)
def test_what_names_no_namespace_is_refused_in_one_harmless_sentence(
    fake: FakeProc, text: str, sentence: str
) -> None:
    with pytest.raises(BadInput) as refused:
        pidns.parse_ns(text, str(fake))
    assert str(refused.value) == sentence
