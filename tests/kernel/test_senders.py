"""Who sent a signal, and in whose context the kernel itself sent it: the same from BTF and from raw tracepoints."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sigtrace.events.batch import Batch, join
from sigtrace.lab.actor import RUNNING, Actor, Fate, Namespace
from sigtrace.lab.channel import wait_until
from sigtrace.lab.stage import Stage
from sigtrace.live.collector import Collector
from sigtrace.live.kernel.btf import Btf, kernel_facts
from tests.conftest import require
from tests.kernel.freezing import hierarchy_of
from tests.kernel.masks import other_thread
from tests.kernel.recording import EventLog, Row

pytestmark = pytest.mark.kernel

ALRM, CHLD, HUP, INT, KILL, SEGV, TERM, USR1, WINCH = (
    signal.SIGALRM,
    signal.SIGCHLD,
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGKILL,
    signal.SIGSEGV,
    signal.SIGTERM,
    signal.SIGUSR1,
    signal.SIGWINCH,
)
SI_USER, SI_KERNEL, SI_QUEUE, SI_TIMER, SI_TKILL, SEGV_MAPERR, CLD_EXITED = 0, 128, -1, -2, -6, 1, 1
PTRACE_KILL = 8
TIMER = (
    "[timer := ctypes.c_void_p(), event := (ctypes.c_int * 16)(0, 0, {signal}, 0), "
    "libc := ctypes.CDLL(None, use_errno=True), libc.timer_create(1, event, ctypes.byref(timer)), "
    "libc.timer_settime(timer, 0, (ctypes.c_long * 4)(0, 0, 0, 1000000), None)][3:]"
)


@pytest.fixture
def namespace(stage: Stage, recorded: EventLog) -> Namespace:
    return recorded.watch(stage.namespace())


@pytest.fixture
def cgroup(namespace: Namespace) -> Iterator[Path]:
    hierarchy = hierarchy_of("v2")
    require(hierarchy, "kernel", "no cgroup v2 hierarchy is mounted")
    assert hierarchy is not None
    group = hierarchy / f"sigtrace-test-kill-{os.getpid()}"
    group.mkdir()
    try:
        require((group / "cgroup.kill").exists(), "cgroup.kill", "this kernel has no cgroup.kill (in v5.14)")
        yield group
    finally:
        _remove(group)


def _remove(group: Path) -> None:
    wait_until(lambda: not (group / "cgroup.procs").read_text(), f"{group} to be empty")
    group.rmdir()


def forge(target: Actor, number: int, code: int) -> str:
    """The source of a call that sends a signal whose siginfo claims `code`."""
    siginfo = f"({number}).to_bytes(8, 'little') + ({code}).to_bytes(4, 'little', signed=True)"
    return (
        f"(lambda info: raw('rt_sigqueueinfo', {target.pid}, {number}, ctypes.addressof(info)))"
        f"(ctypes.create_string_buffer({siginfo}, 128))"
    )


def origin(row: Row) -> tuple[object, ...]:
    return row["code"], row["noinfo"], row["relation"], row["sender_pid"], row["context_pid"]


# BTF and raw tracepoints ------------------------------------------------------------------------------


def test_btf_and_raw_tracepoints_record_the_same_of_every_kind_of_siginfo(
    stage: Stage, house: Namespace
) -> None:
    typed = kernel_facts(Btf.of_running_kernel()).current_task_typed
    require(typed, "btf", "this kernel has no bpf_get_current_task_btf() (in v5.11), and so no BTF method")
    with (
        Collector(ns=[house.inode], descendants=True, scope="all", method="btf") as btf,
        Collector(ns=[house.inode], descendants=True, scope="all", method="raw") as raw,
    ):
        init = house.init.namespace().init
        perform_every_kind(stage, house, init)
        both = [_whole(live) for live in (btf, raw)]
    codes = set(both[0].records["code"].tolist())
    assert {SI_USER, SI_KERNEL, SI_QUEUE, SI_TIMER, SI_TKILL, SEGV_MAPERR, -3} <= codes
    assert _facts(both[0]) == _facts(both[1])


def perform_every_kind(stage: Stage, house: Namespace, init: Actor) -> None:
    init.set("handler", USR1)
    stage.outside.kill(init, TERM)
    stage.outside(f"raw('tgkill', {init.pid}, {init.pid}, {USR1})")
    stage.outside(f"sigqueue({init.pid}, {USR1})")
    for code in (SI_TIMER, -3, -60):
        stage.outside(forge(init, TERM, code))
    init(TIMER.format(signal=int(ALRM)))
    init("signal.setitimer(signal.ITIMER_REAL, 0.001) and None")
    parent = house.member()
    child = parent.fork()
    parent.end()
    wait_until(lambda: not child.alive(), "the child to die with its parent")
    quitter = house.member()
    quitter.channel.request("os._exit(3)")
    assert quitter.fate() == Fate("exited", 3)
    threaded = house.member()
    threaded("thread()")
    stage.outside.kill(threaded, KILL)
    assert threaded.fate() == Fate("killed", KILL)
    wait_until(lambda: ALRM not in init.mask("SigPnd"), "the timer")
    init.settle()
    init.channel.request("ctypes.string_at(0)")
    assert init.fate() == Fate("killed", SEGV)


def _whole(live: Collector) -> Batch:
    batches = []
    while len(batch := live.drain(1)):
        batches.append(batch)
    assert live.losses().lost == 0
    return join(batches)


def _facts(batch: Batch) -> Counter[tuple[object, ...]]:
    names = [name for name in batch.records.dtype.names or () if name not in ("time", "seq")]
    return Counter(map(tuple, batch.records[names].tolist()))


# Sent by a process ------------------------------------------------------------------------------------


def test_the_code_is_the_kernels(recorded: EventLog, stage: Stage, init: Actor) -> None:
    stage.outside.kill(init, TERM)
    stage.outside.kill(init, KILL)
    for number in (TERM, KILL):
        row = recorded.rows(init, stage="generate", signal=number)[0]
        assert (row["code"], row["relation"], row["sender_pid"]) == (SI_USER, "ancestor", stage.outside.pid)
        assert row["origin"] == ""  # though Linux 7.3 sends it without siginfo, as cgroup.kill does


def test_a_write_to_cgroup_kill_names_the_writer(
    recorded: EventLog, stage: Stage, init: Actor, cgroup: Path
) -> None:
    (cgroup / "cgroup.procs").write_text(str(init.pid))
    stage.outside("name('manager')")
    stage.outside(f"open({str(cgroup / 'cgroup.kill')!r}, 'w').write('1') and None")
    assert init.fate() == Fate("killed", KILL)
    row = recorded.rows(init, stage="generate", signal=KILL)[0]
    assert origin(row) == (SI_USER, True, "ancestor", stage.outside.pid, None)
    assert (row["sender_comm"], row["sender_parent_pid"]) == ("manager", os.getpid())


def test_a_parent_death_signal_names_the_parent_and_that_it_was_dying(
    recorded: EventLog, namespace: Namespace
) -> None:
    parent = namespace.member()
    child = parent.fork()  # actors get SIGKILL when their creator dies
    parent("name('guardian')")
    parent.end()
    wait_until(lambda: not child.alive(), "the child to die")
    record = recorded.records(child, KILL)[0]
    assert record["sender_pid"] == parent.pid
    assert record["sender_flags"] == 1  # SENDER_EXITING
    row = recorded.rows(child, stage="generate", signal=KILL)[0]
    assert origin(row) == (SI_USER, True, "same", parent.pid, None)
    assert row["sender_comm"] == "guardian"


def test_ptrace_kill_names_the_tracer(recorded: EventLog, stage: Stage, init: Actor) -> None:
    tracer = stage.actor()
    tracer(f"ptrace(syscalls.PTRACE_SEIZE, {init.pid})")
    tracer(f"ptrace({PTRACE_KILL}, {init.pid})")
    wait_until(lambda: not init.alive(), "the init to die")
    row = recorded.rows(init, stage="generate", signal=KILL)[0]
    assert origin(row) == (SI_USER, True, "ancestor", tracer.pid, None)
    assert recorded.records(init, KILL)[0]["sender_flags"] == 2  # SENDER_TRACER


@pytest.mark.parametrize("code", [SI_TIMER, -3, -4, -5])
def test_a_forged_code_does_not_hide_the_sender(
    recorded: EventLog, stage: Stage, init: Actor, code: int
) -> None:
    stage.outside(forge(init, TERM, code))
    row = recorded.one(init, "generate", TERM)
    assert (row["verdict"], *origin(row)) == (
        "dropped_at_generate",
        code,
        False,
        "ancestor",
        stage.outside.pid,
        None,
    )


# Sent by the kernel -----------------------------------------------------------------------------------


def test_a_timer_has_no_sender(recorded: EventLog, init: Actor) -> None:
    init(TIMER.format(signal=int(ALRM)))
    wait_until(lambda: bool(recorded.rows(init, signal=ALRM)), "the timer to expire")
    row = recorded.one(init, "generate", ALRM)
    assert (row["code"], row["relation"], row["sender_pid"]) == (SI_TIMER, "kernel", None)


def test_reboot_in_a_namespace_kills_its_init_in_the_context_of_the_caller(
    recorded: EventLog, init: Actor, member: Actor
) -> None:
    member("name('poweroff')")
    member.channel.request("ctypes.CDLL(None).reboot(0x4321fedc)")  # RB_POWER_OFF
    assert init.fate() == Fate("killed", INT)  # as reboot_pid_ns() has the parent see it
    row = recorded.rows(init, stage="generate", signal=KILL)[0]
    assert origin(row) == (SI_KERNEL, False, "kernel", None, member.pid)
    assert (row["context_comm"], row["context_nsid"]) == ("poweroff", row["nsid"])


def test_the_end_of_a_namespace_kills_its_members_in_the_context_of_the_init(
    recorded: EventLog, stage: Stage, namespace: Namespace
) -> None:
    member = namespace.member()
    stage.outside.kill(namespace.init, KILL)
    wait_until(lambda: not member.alive(), "the member to die")
    kills = recorded.rows(member, stage="generate", signal=KILL)
    assert (SI_KERNEL, False, "kernel", None, namespace.init.pid) in [origin(row) for row in kills]


def test_closing_a_terminal_hangs_it_up_in_the_context_of_the_closer(
    recorded: EventLog, stage: Stage, init: Actor
) -> None:
    stage.outside("name('shim')")
    stage.outside("import_ = __import__('pty'); master, slave = import_.openpty()")
    terminal = stage.outside("os.ttyname(slave)")
    init("os.setsid()")
    init(f"__import__('fcntl').ioctl(os.open({terminal!r}, os.O_RDWR), 0x540E, 0)")  # TIOCSCTTY
    stage.outside(
        "__import__('fcntl').ioctl(master, 0x5414, b'\\x18\\0\\x50\\0\\0\\0\\0\\0') and None"
    )  # TIOCSWINSZ
    stage.outside("os.close(slave); os.close(master)")
    assert init.settle() == RUNNING
    for number in (WINCH, HUP):
        row = recorded.one(init, "generate", number)
        assert origin(row) == (SI_KERNEL, False, "kernel", None, stage.outside.pid)
        assert row["context_comm"] == "shim"


# Names ------------------------------------------------------------------------------------------------


def test_a_process_is_called_by_its_first_thread(recorded: EventLog, stage: Stage, init: Actor) -> None:
    init("name('server')")
    init("ready = __import__('threading').Event()")
    init(
        "__import__('threading').Thread("
        "target=lambda: [name('worker'), ready.set(), __import__('time').sleep(1000)], daemon=True).start()"
    )
    init("ready.wait() and None")
    thread = other_thread(init)
    stage.outside(f"raw('tgkill', {init.pid}, {thread}, {TERM})")
    row = recorded.one(init, "generate", TERM)
    assert (row["target_tid"], row["target_comm"]) == (thread, "server")


# What an init passes on -------------------------------------------------------------------------------


@pytest.fixture
def inits(namespace: Namespace) -> Iterator[Collector]:
    with Collector(ns=[namespace.inode], scope="inits") as live:
        yield live


def _seen(live: Collector, target: Actor) -> list[tuple[str, str]]:
    rows = [*live.drain(1).rows()]
    return [(row["stage"], row["signal_name"]) for row in rows if row["target_pid"] == target.pid]


def test_what_an_init_sends_to_a_member_is_recorded_with_its_delivery_and_the_members_exit(
    inits: Collector, namespace: Namespace
) -> None:
    member = namespace.member()
    member.set("handler", TERM)
    namespace.init(f"kill({member.own_pid}, {TERM})")
    assert (member.settle(), member.caught()) == (RUNNING, [TERM])
    member.channel.request("os._exit(0)")
    assert member.fate() == Fate("exited", 0)
    assert _seen(inits, member) == [("generate", "SIGTERM"), ("deliver", "SIGTERM"), ("exit", "")]


def test_what_a_followed_member_sends_on_is_recorded_too(inits: Collector, namespace: Namespace) -> None:
    shell, program = namespace.member(), namespace.member()
    for actor in (shell, program):
        actor.set("handler", TERM)
        actor.set("handler", USR1)
    namespace.init(f"kill({shell.own_pid}, {TERM})")
    shell(f"kill({program.own_pid}, {USR1})")
    assert (program.settle(), program.caught()) == (RUNNING, [USR1])
    assert _seen(inits, program) == [("generate", "SIGUSR1"), ("deliver", "SIGUSR1")]


def test_signals_between_members_that_the_init_has_not_signalled_are_not_recorded(
    inits: Collector, stage: Stage, namespace: Namespace
) -> None:
    one, other = namespace.member(), namespace.member()
    for actor in (one, other):
        actor.set("handler", TERM)
    one.kill(other, TERM)
    stage.outside.kill(one, TERM)
    assert (one.settle(), other.settle(), one.caught(), other.caught()) == (RUNNING, RUNNING, [TERM], [TERM])
    batch = inits.drain(1)
    assert not np.isin(batch.records["target_pid"], [one.pid, other.pid]).any()
