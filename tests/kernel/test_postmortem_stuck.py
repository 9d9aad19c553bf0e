"""A namespace that cannot end: each cause, made to happen by real processes, is diagnosed as itself alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sigtrace.lab.actor import Actor, Fate, Namespace
from sigtrace.lab.channel import wait_until
from sigtrace.lab.stage import Stage
from tests.conftest import require
from tests.kernel.freezing import Freezer, hierarchy_of
from tests.kernel.hanging import dead_mount, hang_on, slow_core_dumps
from tests.kernel.investigation import Investigation, kill
from tests.processes import children

pytestmark = pytest.mark.kernel

KILL, TERM = 9, 15


@pytest.fixture
def namespace(stage: Stage, observed: Investigation) -> Namespace:
    return observed.watch(stage.namespace())


@pytest.fixture(autouse=True)
def blank(namespace: Namespace) -> None:
    """Every test watches a namespace of its own, from before it does anything."""


def hold_on_exit(stage: Stage, observed: Investigation, init: Actor) -> None:
    """SIGKILL the init and look twice at what is left."""
    stage.outside.kill(init, KILL)
    observed.snapshot("killed")
    assert init.fate(0.4).state == "running", "the namespace ended, so nothing held it"
    observed.snapshot("outlived")


@pytest.mark.parametrize("version", ["v1"])
def test_survivor_frozen(stage: Stage, observed: Investigation, namespace: Namespace, version: str) -> None:
    mounted = hierarchy_of(version)
    require(mounted, f"cgroup-{version}", f"no cgroup {version} freezer is mounted here")
    assert mounted is not None
    freezer = Freezer(mounted, version)
    try:
        freezer.hold(namespace.member())
        hold_on_exit(stage, observed, namespace.init)
        assert observed.causes() == ["survivor-frozen"]
        assert observed.live_only() == ["survivor-frozen"]
    finally:
        freezer.set(False)
        stage.close()
        freezer.remove()


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_an_init_that_is_frozen_when_asked(
    stage: Stage, observed: Investigation, init: Actor, version: str
) -> None:
    mounted = hierarchy_of(version)
    require(mounted, f"cgroup-{version}", f"no cgroup {version} freezer is mounted here")
    assert mounted is not None
    freezer = Freezer(mounted, version)
    init.set("handler", TERM)
    try:
        freezer.hold(init)
        stage.outside.kill(init, TERM)
        observed.look_twice("signalled")
        found = observed.finding("survivor-frozen")
        assert (found.past, found.severity, found.confidence) == (False, "error", "certain")
        assert found.advice.startswith("thaw it")
        freezer.set(False)
        wait_until(lambda: init.caught() == [TERM], "the handler to run")
        init.channel.request("os._exit(0)")
        assert init.fate() == Fate("exited", 0)
        found = observed.finding("survivor-frozen")
        assert (found.past, found.severity) == (True, "notice")
        assert "was frozen by cgroup" in found.summary
        assert "thaw it" not in found.advice
    finally:
        freezer.set(False)
        stage.close()
        freezer.remove()


def test_the_v2_freezer_does_not_keep_a_namespace_from_ending(
    stage: Stage, observed: Investigation, namespace: Namespace
) -> None:
    mounted = hierarchy_of("v2")
    require(mounted, "cgroup-v2", "no cgroup v2 freezer is mounted here")
    assert mounted is not None
    freezer = Freezer(mounted, "v2")
    try:
        freezer.hold(namespace.member())
        kill(stage, namespace.init)
        observed.snapshot("exited")
        assert observed.causes() == []
    finally:
        freezer.set(False)
        stage.close()
        freezer.remove()


def test_zombie_held_by_a_parent_outside(stage: Stage, observed: Investigation, namespace: Namespace) -> None:
    joined = namespace.joined()  # its parent, the holder, waits for nobody unless told
    hold_on_exit(stage, observed, namespace.init)
    assert joined.stat_state() == "Z"
    assert observed.causes() == ["zombie-held"]
    assert observed.live_only() == ["zombie-held"]


def test_zombie_held_by_a_tracer(stage: Stage, observed: Investigation, namespace: Namespace) -> None:
    member, tracer = namespace.member(), stage.actor()
    tracer(f"ptrace(syscalls.PTRACE_SEIZE, {member.pid})")
    hold_on_exit(stage, observed, namespace.init)
    assert member.stat_state() == "Z"
    assert observed.finding("zombie-held").advice.startswith("detach the tracer, or end it")
    tracer.end()
    wait_until(lambda: not namespace.init.alive(), "the namespace to end without the tracer")
    observed.snapshot("outlived")
    found = observed.finding("zombie-held")
    assert (found.past, found.severity) == (True, "notice")
    assert "detach" not in found.advice


def test_survivor_uninterruptible_in_fuse(stage: Stage, observed: Investigation) -> None:
    require(os.path.exists("/dev/fuse"), "fuse", "there is no /dev/fuse")
    server = stage.actor()
    server("private_mounts()")
    namespace = observed.watch(server.namespace())
    member = namespace.member()
    dead_mount(server)
    hang_on(server, member)
    wait_until(lambda: member.stat_state() in "DS", "the member to sleep")
    hold_on_exit(stage, observed, namespace.init)
    assert member.stat_state() == "D"
    assert observed.causes() == ["survivor-uninterruptible"]


def test_not_delivered_while_it_sleeps_uninterruptibly(stage: Stage, observed: Investigation) -> None:
    require(os.path.exists("/dev/fuse"), "fuse", "there is no /dev/fuse")
    server = stage.actor()
    server("private_mounts()")
    namespace = observed.watch(server.namespace())
    init = namespace.init
    init.set("handler", TERM)
    dead_mount(server)
    hang_on(server, init)
    stage.outside.kill(init, TERM)
    wait_until(lambda: init.stat_state() == "D", "the init to sleep")
    observed.snapshot("signalled")
    signal.sigtimedwait([], 1.1)  # the grace period
    stage.outside.kill(init, KILL)
    server.end()  # which lets go whoever waits
    assert init.fate().state == "killed"
    assert observed.causes() == ["not-delivered"]


def test_unreaped_zombies(stage: Stage, observed: Investigation, init: Actor) -> None:
    init("[os.fork() or os._exit(0) for _ in range(8)] and None")
    wait_until(
        lambda: all(" Z " in Path(f"/proc/{pid}/stat").read_text() for pid in children(init.pid)),
        "the children to be dead",
    )
    observed.look_twice()
    assert not observed.finding("unreaped-zombies").past
    kill(stage, init)
    found = observed.finding("unreaped-zombies")
    assert (found.past, found.severity, found.confidence) == (True, "warning", "certain")
    assert "8 processes were dead and not reaped" in found.summary


def test_runtime_lost_exit(stage: Stage, observed: Investigation, init: Actor) -> None:
    stage.outside.kill(init, KILL)
    wait_until(lambda: init.stat_state() == "Z", "the init to be a zombie")
    observed.look_twice("exited")
    assert observed.causes() == ["runtime-lost-exit"]
    assert observed.live_only() == ["runtime-lost-exit"]


def test_an_exit_that_the_parent_noticed_late_is_told_as_past(
    stage: Stage, observed: Investigation, init: Actor
) -> None:
    stage.outside.kill(init, KILL)
    wait_until(lambda: init.stat_state() == "Z", "the init to be a zombie")
    observed.look_twice("exited")
    found = observed.finding("runtime-lost-exit")
    assert (found.past, found.severity, found.confidence) == (False, "error", "certain")
    assert init.fate() == Fate("killed", KILL)  # its parent reaps it
    observed.snapshot("outlived")
    found = observed.finding("runtime-lost-exit")
    assert (found.past, found.severity) == (True, "notice")
    assert "had not reaped it" in found.summary
    assert found.advice.startswith("nothing to do")


def test_core_dump(observed: Investigation) -> None:
    crash = "import resource, ctypes; resource.setrlimit(resource.RLIMIT_CORE, (-1, -1)); input(); ctypes.string_at(0)"
    command = ["unshare", "--pid", "--fork", "--kill-child", sys.executable, "-I", "-c", crash]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as holder,
        slow_core_dumps(),
    ):
        wait_until(lambda: bool(children(holder.pid)), "the init to be born")
        (init,) = children(holder.pid)
        observed.watch_init(init)
        assert holder.stdin is not None
        holder.stdin.write(b"\n")
        holder.stdin.close()
        wait_until(lambda: "CoreDumping:\t1" in Path(f"/proc/{init}/status").read_text(), "a core dump")
        os.kill(init, TERM)
        observed.snapshot("signalled")
        os.kill(init, KILL)
    assert observed.causes() == ["core-dump"]


def test_a_death_with_the_parent_is_not_taken_for_want_of_memory(
    stage: Stage, observed: Investigation, namespace: Namespace
) -> None:
    observed.snapshot()
    namespace.holder.end()  # PR_SET_PDEATHSIG: the kernel sends SIGKILL to the init
    wait_until(lambda: not namespace.init.alive(), "the init to die with its parent")
    observed.snapshot("exited")
    assert observed.causes() == []


def test_oom(stage: Stage, observed: Investigation, namespace: Namespace) -> None:
    hierarchy = Path("/sys/fs/cgroup/memory")
    require(
        (hierarchy / "memory.limit_in_bytes").exists(), "cgroup-memory", "no v1 memory cgroup is mounted here"
    )
    group = hierarchy / f"sigtrace-test-{os.getpid()}"
    group.mkdir()
    try:
        (group / "memory.limit_in_bytes").write_text(str(32 << 20))
        member = namespace.member()
        for each in (namespace.init, member):
            (group / "cgroup.procs").write_text(str(each.pid))
        member.channel.request("len(bytearray(256 << 20))")
        assert member.fate() == Fate("killed", KILL)
        observed.snapshot()
        assert observed.causes() == ["oom"]
    finally:
        stage.close()
        wait_until(lambda: not (group / "cgroup.procs").read_text(), "the cgroup to be empty")
        group.rmdir()
