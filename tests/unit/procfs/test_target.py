"""Reading /proc: what is understood, what is hostile, what is missing."""

from __future__ import annotations

import os
import platform
import struct
from pathlib import Path

import pytest

from sigtrace.errors import BadInput
from sigtrace.procfs import freezer, process
from sigtrace.procfs import target as targets
from sigtrace.signals import mask
from tests.builders.fakeproc import FakeProc

NATIVE = {"x86_64": 128, "aarch64": 137}.get(platform.machine(), 0)


@pytest.fixture
def fake(tmp_path: Path) -> FakeProc:
    return FakeProc(tmp_path)


def test_the_facts_of_a_process_are_read(fake: FakeProc) -> None:
    facts = {"blocked": mask([1]), "ignored": mask([2]), "caught": mask([3]), "shared": mask([4])}
    fake.process(7, nsid=4026532249, start=4711, nspid="7\t1", **facts)
    target = targets.read_target(7, str(fake))
    assert (target.pid, target.ns_pid, target.level, target.nsid) == (7, 1, 1, 4026532249)
    assert (target.ignored, target.caught, target.shared_pending) == (mask([2]), mask([3]), mask([4]))
    assert (target.threads[0].blocked, target.threads[0].awaited) == (mask([1]), 0)
    assert (target.start_ticks, target.queue_used, target.queue_limit) == (4711, 3, 96343)
    assert (target.unkillable, target.global_init, target.kthread) == (True, False, False)


def test_the_initial_namespaces_init_is_the_global_one(fake: FakeProc) -> None:
    assert targets.read_target(1, str(fake)).global_init


def test_a_kernel_thread_is_known_by_its_flag(fake: FakeProc) -> None:
    fake.process(2, flags=0x208040)
    assert targets.read_target(2, str(fake)).kthread


@pytest.mark.parametrize("comm", [b"a) S 1 (b", b"\x1b[31mred", b"two\nlines", b"\xff\xfe", b"((("])
def test_a_hostile_name_does_not_shift_the_fields_of_stat(fake: FakeProc, comm: bytes) -> None:
    fake.process(7, start=4711, comm=comm)
    assert process.read_stat(7, str(fake)).start_ticks == 4711
    assert targets.read_target(7, str(fake)).state == "S"


def test_the_number_of_a_thread_names_its_process_and_that_thread(fake: FakeProc) -> None:
    home = fake.process(7, nspid="7")
    fake.thread(7, 8, nspid="8", blocked=mask([15]))
    (fake.root / "8").symlink_to(home / "task" / "8")
    target = targets.read_target(8, str(fake))
    assert (target.pid, target.looked_up) == (7, 8)
    assert target.looked_up_thread.blocked == mask([15])


@pytest.mark.skipif(not NATIVE, reason="the number of rt_sigtimedwait is known for x86_64 and aarch64")
@pytest.mark.parametrize("wchan", ["do_sigtimedwait.isra.0", "0", "__refrigerator"])
def test_the_set_that_a_thread_waits_for_is_read_from_its_memory(fake: FakeProc, wchan: str) -> None:
    task = fake.process(7) / "task" / "7"
    (task / "syscall").write_text(f"{NATIVE} 0x40 0x0 0x0 0x8 0x0 0x0 0x7ffe 0x7fff\n")
    (task / "wchan").write_text(wchan)
    (task / "mem").write_bytes(bytes(0x40) + struct.pack("<Q", mask([2, 9, 15, 19])))
    assert targets.read_target(7, str(fake)).threads[0].awaited == mask([2, 15])


@pytest.mark.parametrize("call", ["running", "-1 0x7ffe 0x7fff", f"{NATIVE} 0x40 0x0"])
def test_a_thread_that_sleeps_elsewhere_awaits_nothing(fake: FakeProc, call: str) -> None:
    task = fake.process(7) / "task" / "7"
    (task / "syscall").write_text(call + "\n")
    (task / "wchan").write_text("do_freezer_trap")
    assert targets.read_target(7, str(fake)).threads[0].awaited == 0


@pytest.mark.skipif(not NATIVE, reason="the number of rt_sigtimedwait is known for x86_64 and aarch64")
def test_memory_is_not_read_behind_a_thread_in_uninterruptible_sleep(fake: FakeProc) -> None:
    task = fake.process(7) / "task" / "7"
    (task / "syscall").write_text(f"{NATIVE} 0x0 0x0 0x0 0x8\n")
    (task / "wchan").write_text("do_sigtimedwait")
    os.mkfifo(task / "mem")  # opening it would hang
    fake.thread(7, 8, state="D")
    target = targets.read_target(7, str(fake))
    assert target.threads[0].awaited is None
    assert targets.read_cmdline(target, str(fake)) == ()


def test_the_masks_of_all_signalfds_are_united(fake: FakeProc) -> None:
    home = fake.process(7)
    (home / "fd" / "0").symlink_to("/dev/null")
    for fd, bits in ((3, mask([15])), (4, mask([1]))):
        (home / "fd" / str(fd)).symlink_to("anon_inode:[signalfd]")
        (home / "fdinfo" / str(fd)).write_text(f"pos:\t0\nflags:\t02\nmnt_id:\t15\nsigmask:\t{bits:016x}\n")
    assert targets.read_target(7, str(fake)).signalfd == mask([1, 15])


def test_the_command_line_is_text_whatever_it_holds(fake: FakeProc) -> None:
    (fake.process(7) / "cmdline").write_bytes(b"sh\0-c\0\x1b[2J\xff\0\0")
    target = targets.read_target(7, str(fake))
    assert targets.read_cmdline(target, str(fake)) == ("sh", "-c", "\x1b[2J\\xff")


@pytest.mark.parametrize(
    ("comm", "cmdline", "shell"),
    [
        ("bash", b"bash\0-c\0true\0", True),
        ("entrypoint.sh", b"/bin/sh\0/entrypoint.sh\0", True),
        ("busybox", b"busybox\0ash\0", True),
        ("busybox", b"busybox\0httpd\0", False),
        ("bash", b"-bash\0", True),
        ("python3", b"python3\0-m\0sh\0", False),
    ],
)
def test_a_shell_with_a_handler_is_known_with_its_children(
    fake: FakeProc, comm: str, cmdline: bytes, shell: bool
) -> None:
    home = fake.process(7, comm=comm, caught=mask([15]))
    (home / "cmdline").write_bytes(cmdline)
    (home / "wchan").write_text("do_wait")
    (home / "task" / "7" / "children").write_text("8 9 ")
    fake.process(8, comm="sleep", ppid=7, ignored=mask([2, 3]))
    target = targets.read_target(7, str(fake))
    assert bool(target.shell) == shell
    assert target.wchan == ("do_wait" if shell else "")
    assert [(each.pid, each.comm, each.ignored) for each in target.children or ()] == (
        [(8, "sleep", mask([2, 3]))] if shell else []
    )


def test_children_that_the_kernel_does_not_show_are_not_known(fake: FakeProc) -> None:
    fake.process(7, comm="sh", caught=mask([15]))
    assert targets.read_target(7, str(fake)).children is None
    fake.process(8, comm="sh")
    assert targets.read_target(8, str(fake)).shell == ""


@pytest.mark.parametrize("pid", [0, -1])
def test_what_is_no_pid_is_one_sentence(fake: FakeProc, pid: int) -> None:
    with pytest.raises(BadInput, match=rf"^{pid} is not a PID: a PID is 1 or more$"):
        targets.read_target(pid, str(fake))


def test_a_process_that_is_gone_is_one_sentence(fake: FakeProc) -> None:
    with pytest.raises(BadInput, match=r"^there is no process 12345 here: .*$"):
        targets.read_target(12345, str(fake))


def test_a_process_that_goes_while_it_is_read_is_one_sentence(fake: FakeProc) -> None:
    (fake.process(7) / "stat").unlink()
    with pytest.raises(BadInput, match="there is no process 7 here"):
        targets.read_target(7, str(fake))


def test_a_missing_proc_is_one_sentence() -> None:
    with pytest.raises(BadInput, match=r"cannot list the processes in /nowhere/proc: No such file"):
        process.pids("/nowhere/proc")


# Freezers --------------------------------------------------------------------------------------------


def hybrid(root: Path) -> bytes:
    return (
        f"31 23 0:28 / {root}/v1 rw shared:7 - cgroup cgroup rw,cpu,freezer\n"
        f"32 23 0:29 / {root}/cpu rw - cgroup cgroup rw,cpuacct\n"
        f"33 23 0:30 / {root}/a\\040b rw - cgroup2 cgroup2 rw\n"
    ).encode()


def test_frozen_is_read_from_every_layout_of_cgroups(tmp_path: Path) -> None:
    mounted = freezer.hierarchies(hybrid(tmp_path))
    assert [(each.version, each.mount_point) for each in mounted] == [
        ("v1", f"{tmp_path}/v1"),
        ("v2", f"{tmp_path}/a b"),
    ]
    (tmp_path / "v1" / "box").mkdir(parents=True)
    (tmp_path / "a b" / "box").mkdir(parents=True)
    states = tmp_path / "v1" / "box" / "freezer.state", tmp_path / "a b" / "box" / "cgroup.events"
    for v1, v2, expected in (
        ("THAWED", "frozen 0", ""),
        ("FROZEN", "frozen 0", "v1"),
        ("FREEZING", "frozen 0", "v1"),
        ("THAWED", "frozen 1", "v2"),
        ("FROZEN", "frozen 1", "v1"),
    ):
        states[0].write_text(v1 + "\n")
        states[1].write_text(f"populated 1\n{v2}\n")
        assert freezer.frozen(b"4:cpu,freezer:/box\n1:name=systemd:/\n0::/box\n", mounted) == expected


def test_a_cgroup_that_is_not_mounted_here_is_not_called_frozen(tmp_path: Path) -> None:
    inside = (freezer.Hierarchy("v2", str(tmp_path), "/docker/abc"),)
    (tmp_path / "cgroup.events").write_text("frozen 1\n")
    assert freezer.frozen(b"0::/docker/abc\n", inside) == "v2"
    assert freezer.frozen(b"0::/docker/other\n", inside) == ""
    assert freezer.frozen(b"0::/../outside\n", inside) == ""


@pytest.mark.parametrize("membership", [b"", b"0::/\n", b"0::/with:colon\n", b"0::/\xff\x1b[2J\n"])
def test_odd_cgroup_names_are_harmless(tmp_path: Path, membership: bytes) -> None:
    assert freezer.frozen(membership, (freezer.Hierarchy("v2", str(tmp_path), "/"),)) == ""


def test_of_a_process_with_very_many_descriptors_it_is_not_known_what_it_reads_from_a_signalfd(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = FakeProc(tmp_path).process(7)
    for number in range(10):
        (home / "fd" / str(number)).symlink_to("anon_inode:[signalfd]")
        (home / "fdinfo" / str(number)).write_text("pos:\t0\nsigmask:\t0000000000004000\n")
    assert process.read_signalfd_mask(7, str(tmp_path)) == 0x4000
    monkeypatch.setattr(process, "_MAX_DESCRIPTORS", 9)
    assert process.read_signalfd_mask(7, str(tmp_path)) is None


def test_a_name_of_a_process_is_no_line_of_its_status(tmp_path: Path) -> None:
    proc = FakeProc(tmp_path)
    for pid, forged in enumerate(("a\rSigFoo:\t4000", "a\x0bSigFoo:\t4000", "a\u2028SigFoo:\t9"), 7):
        home = proc.process(pid)
        status = (home / "status").read_text()
        (home / "status").write_bytes(status.replace("Name:\tapp", f"Name:\t{forged}").encode())
        assert process.read_status(pid, str(proc)).keys() == process.read_status(1, str(proc)).keys()
