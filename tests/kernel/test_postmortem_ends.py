"""What ended an init, and who really sent a signal, as the postmortem tells it, each by real processes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sigtrace.lab.actor import RUNNING, Actor, Fate, Namespace
from sigtrace.lab.channel import wait_until
from sigtrace.lab.stage import Stage
from sigtrace.postmortem import last_stop
from sigtrace.postmortem.ranking import rank
from sigtrace.postmortem.timeline import timeline_entries
from sigtrace.stops.request import AT_ONCE_NS
from tests.conftest import require
from tests.kernel.freezing import hierarchy_of
from tests.kernel.investigation import Investigation
from tests.processes import children

pytestmark = pytest.mark.kernel

HUP, INT, KILL, USR1, TERM, CONT, WINCH = 1, 2, 9, 10, 15, 18, 28
RTMIN_3 = 37
PTRACE_KILL = 8
POWER_OFF, RESTART = 0x4321FEDC, 0x01234567


@pytest.fixture
def namespace(stage: Stage, observed: Investigation) -> Namespace:
    return observed.watch(stage.namespace())


@pytest.fixture
def other(stage: Stage) -> Actor:
    """A process outside, of a name of its own."""
    actor = stage.actor()
    actor("name('manager')")
    return actor


def story(observed: Investigation) -> str:
    """The story, without snapshots."""
    told = (e for e in timeline_entries(observed.case()) if not e.text.startswith("snapshot"))
    return "\n".join(line for entry in told for line in (entry.text, *entry.detail))


def listed(observed: Investigation) -> tuple[str, str]:
    """The signal and the outcome in the list of namespaces, without durations."""
    (standing,) = rank([observed.case()])
    how, after, rest = standing.outcome.partition(" after ")
    return standing.signal, f"{how}{after}{rest}" if rest.startswith("SIG") else how


def exit_once_handled(init: Actor, number: int) -> None:
    """Have the init exit as soon as its handler for the signal has run."""
    init.set("handler", number)
    init.channel.request(f"[time.sleep(0.001) for _ in iter(caught, [{number}])] == 0 or os._exit(0)")


def exited(observed: Investigation, init: Actor) -> None:
    """See that it exited; skips on a machine that is so busy that this took more than the product calls soon."""
    assert init.fate() == Fate("exited", 0)
    handled, end = (
        next(e.time for e in reversed(observed.case().to_init) if e.stage == stage)
        for stage in ("generate", "exit")
    )
    if end - handled > AT_ONCE_NS:
        pytest.skip("the machine was too busy for the init to exit at once")


# Sent by a process, though not by kill(2) -------------------------------------------------------------


@contextmanager
def cgroup(kind: str, *files: str) -> Iterator[Path]:
    """A cgroup of our own, for as long as processes are in it; skips without such a hierarchy."""
    mounted = hierarchy_of(kind)
    require(mounted, f"cgroup-{kind}", f"no cgroup {kind} is mounted here")
    assert mounted is not None
    group = mounted / f"sigtrace-ends-{os.getpid()}"
    group.mkdir()
    try:
        require(all((group / name).exists() for name in files), f"cgroup-{kind}", f"no {', '.join(files)}")
        yield group
    finally:
        wait_until(lambda: not (group / "cgroup.procs").read_text(), f"{group} to be empty")
        group.rmdir()


def test_a_sigkill_through_cgroup_kill_is_the_sigkill_of_whoever_wrote_it(
    stage: Stage, observed: Investigation, init: Actor, other: Actor
) -> None:
    with cgroup("v2", "cgroup.kill") as group:
        (group / "cgroup.procs").write_text(str(init.pid))
        other.kill(init, TERM)
        other(f"open({str(group / 'cgroup.kill')!r}, 'w').write('1') and None")
        assert init.fate() == Fate("killed", KILL)
    assert f"SIGKILL from manager[{other.pid}], child of " in story(observed)
    assert ", through cgroup.kill\n" in story(observed)
    stop = last_stop(observed.case())
    assert stop is not None
    assert stop.killer is not None
    assert (stop.by, stop.killer.by, stop.attempt.needed_kill) == ("manager", "manager", True)
    assert stop.grace is not None
    assert str(stop.killer).endswith(", through cgroup.kill")
    assert listed(observed) == ("TERM", "killed")
    assert observed.causes() == ["dropped-at-generate"]


def test_a_death_with_the_parent_is_nobodys_stop(observed: Investigation, namespace: Namespace) -> None:
    namespace.holder("name('guardian')")
    namespace.holder.end()
    wait_until(lambda: not namespace.init.alive(), "the init to die with its parent")
    died = f"its parent guardian[{namespace.holder.pid}], which died (PR_SET_PDEATHSIG)"
    assert f"SIGKILL from {died}" in story(observed)
    assert f"killed by SIGKILL\nby {died}" in story(observed)
    assert listed(observed) == ("-", "killed with its parent")
    assert observed.case().stops == ()


def test_a_death_with_the_parent_in_the_midst_of_a_stop_ends_no_grace_period(
    stage: Stage, observed: Investigation, namespace: Namespace
) -> None:
    namespace.init.set("handler", TERM)
    stage.outside.kill(namespace.init, TERM)
    namespace.holder.end()
    wait_until(lambda: not namespace.init.alive(), "the init to die with its parent")
    stop = last_stop(observed.case())
    assert stop is not None
    assert (stop.grace, stop.attempt.needed_kill, stop.attempt.by_kernel) == (None, False, True)
    assert "ended by SIGKILL from its parent " in story(observed)
    assert listed(observed) == ("TERM", "killed with its parent")


def test_the_list_tells_of_unshare_that_died_before_its_child(observed: Investigation, stage: Stage) -> None:
    command = ["unshare", "--pid", "--fork", "--kill-child", "sleep", "100"]
    with subprocess.Popen(command, start_new_session=True) as parent:
        wait_until(lambda: bool(children(parent.pid)), "the init to be born")
        (init,) = children(parent.pid)
        wait_until(lambda: Path(f"/proc/{init}/comm").read_text() == "sleep\n", "the init to run sleep")
        observed.watch_init(init)
        parent.kill()
    wait_until(lambda: not Path(f"/proc/{init}").exists(), "the init to die with its parent")
    assert listed(observed) == ("-", "killed with its parent")
    assert f"its parent unshare[{parent.pid}], which died (PR_SET_PDEATHSIG)" in story(observed)


def test_ptrace_kill_names_the_tracer(observed: Investigation, init: Actor, other: Actor) -> None:
    other(f"ptrace(syscalls.PTRACE_SEIZE, {init.pid})")
    other(f"ptrace({PTRACE_KILL}, {init.pid})")
    wait_until(lambda: not init.alive(), "the init to die")
    assert f"SIGKILL from its tracer manager[{other.pid}]" in story(observed)
    assert "(PTRACE_KILL)" in story(observed)
    assert listed(observed) == ("KILL", "killed")


@pytest.mark.parametrize(
    ("code", "claim"), [(-2, "a timer"), (-3, "a message queue"), (-4, "asynchronous I/O")]
)
def test_a_forged_code_does_not_hide_who_sent_it(
    observed: Investigation, init: Actor, other: Actor, code: int, claim: str
) -> None:
    siginfo = f"({TERM}).to_bytes(8, 'little') + ({code}).to_bytes(4, 'little', signed=True)"
    other(f"info = ctypes.create_string_buffer({siginfo}, 128)")
    other(f"raw('rt_sigqueueinfo', {init.pid}, {TERM}, ctypes.addressof(info))")
    assert f"SIGTERM from manager[{other.pid}], child of " in story(observed)
    assert f", whose siginfo claims {claim}\n" in story(observed)
    stop = last_stop(observed.case())
    assert stop is not None
    assert (stop.by, stop.first.code) == ("manager", code)


# Shutting itself down ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("how", "seen"), [(POWER_OFF, INT), (RESTART, HUP)])
@pytest.mark.parametrize("own", [True, False], ids=["by-the-init", "by-a-member"])
def test_a_container_that_shuts_itself_down_when_asked_ends_as_it_should(
    stage: Stage, observed: Investigation, namespace: Namespace, own: bool, how: int, seen: int
) -> None:
    init = namespace.init
    caller = init if own else namespace.member()
    caller("name('poweroff')")
    init(f"block({RTMIN_3})")
    stage.outside.kill(init, RTMIN_3)
    init(f"signal.sigwait([{RTMIN_3}]) and None")
    caller.channel.request(f"ctypes.CDLL(None).reboot({how})")
    assert init.fate() == Fate("killed", seen)  # as its parent sees it
    observed.snapshot("exited")
    assert observed.causes() == []
    stop = last_stop(observed.case())
    assert stop is not None
    assert (stop.attempt.killed, stop.attempt.needed_kill, stop.grace, stop.kill) == (
        False,
        False,
        None,
        None,
    )
    assert str(stop.attempt.rebooted) == f"reboot(2) by poweroff[{caller.pid}]"
    assert stop.as_dict()["ended"] == "shut down by reboot(2)"
    assert "shut itself down\n" in story(observed)
    assert f"reboot(2) by poweroff[{caller.pid}]; its parent sees SIGINT" in story(observed)
    assert listed(observed) == ("RTMIN+3", "shut down")


def test_a_container_that_shuts_itself_down_unasked(
    observed: Investigation, namespace: Namespace, init: Actor
) -> None:
    member = namespace.member()
    member.channel.request(f"ctypes.CDLL(None).reboot({POWER_OFF})")
    assert init.fate() == Fate("killed", INT)
    assert listed(observed) == ("-", "shut itself down")
    assert observed.causes() == []


def test_the_end_of_a_namespace_above_is_no_shutdown(
    stage: Stage, observed: Investigation, namespace: Namespace
) -> None:
    inner = namespace.member().namespace()
    observed.watch(inner)
    namespace.init("name('outer')")
    stage.outside.kill(namespace.init, KILL)
    wait_until(lambda: not inner.init.alive(), "the inner init to die with the outer")
    assert listed(observed) == ("-", "killed by the kernel")
    assert f"the kernel, in the context of outer[{namespace.init.pid}]" in story(observed)


# Its terminal -----------------------------------------------------------------------------------------


@pytest.fixture
def terminal(other: Actor, init: Actor) -> str:
    """A terminal that the init has as its own, and the other process as its master."""
    other("master, slave = __import__('pty').openpty()")
    name: str = other("os.ttyname(slave)")
    init("os.setsid()")
    init(f"tty = os.open({name!r}, os.O_RDWR)")
    init("__import__('fcntl').ioctl(tty, 0x540E, 0)")  # TIOCSCTTY
    other("os.close(slave)")
    return name


RESIZE = "__import__('fcntl').ioctl(master, 0x5414, b'\\x18\\0\\x50\\0\\0\\0\\0\\0') and None"  # TIOCSWINSZ


def test_an_init_that_ends_as_its_terminal_is_resized(
    observed: Investigation, init: Actor, other: Actor, terminal: str
) -> None:
    exit_once_handled(init, WINCH)
    other(RESIZE)
    exited(observed, init)
    said = f"SIGWINCH from the kernel, as manager[{other.pid}] resized its terminal"
    assert story(observed).startswith(said)
    assert f"after it handled {said}" in story(observed)
    assert listed(observed) == ("-", "ended after SIGWINCH")


def test_a_resized_terminal_long_before_is_not_told(
    stage: Stage, observed: Investigation, init: Actor, other: Actor, terminal: str
) -> None:
    init.set("handler", WINCH, TERM)
    other(RESIZE)
    wait_until(lambda: init.caught() == [WINCH], "the handler to run")
    stage.outside.kill(init, TERM)
    wait_until(lambda: init.caught() == [TERM], "the handler to run")
    init.channel.request("os._exit(0)")
    assert init.fate() == Fate("exited", 0)
    assert "SIGWINCH" not in story(observed)
    assert listed(observed) == ("TERM", "ended")


def test_an_init_whose_terminal_is_closed_and_that_ends_was_asked_to(
    observed: Investigation, init: Actor, other: Actor, terminal: str
) -> None:
    exit_once_handled(init, HUP)
    other("os.close(master)")
    exited(observed, init)
    assert f"asked to stop by the kernel, as manager[{other.pid}] closed its terminal\nSIGHUP" in story(
        observed
    )
    assert listed(observed) == ("HUP", "ended")


def test_a_closed_terminal_that_is_dropped_is_told(
    observed: Investigation, init: Actor, other: Actor, terminal: str
) -> None:
    other("os.close(master)")
    assert init.settle() == RUNNING
    assert f"SIGHUP from the kernel, as manager[{other.pid}] closed its terminal\nDROPPED" in story(observed)


def test_a_key_on_its_terminal(observed: Investigation, init: Actor, other: Actor, terminal: str) -> None:
    exit_once_handled(init, INT)
    other("os.write(master, b'\\x03')")
    exited(observed, init)
    assert "asked to stop by somebody who typed ^C at its terminal" in story(observed)
    assert listed(observed) == ("INT", "ended")


# Asked by a signal that means something else ----------------------------------------------------------


def test_an_init_that_ends_on_a_signal_from_outside_was_asked_by_it(
    observed: Investigation, init: Actor, other: Actor
) -> None:
    exit_once_handled(init, USR1)
    other.kill(init, USR1)
    exited(observed, init)
    assert f"asked to stop by a person or a script: manager[{other.pid}]" in story(observed)
    assert listed(observed) == ("USR1", "ended")


def test_an_init_that_ends_on_a_signal_of_a_member(observed: Investigation, namespace: Namespace) -> None:
    init, member = namespace.init, namespace.member()
    member("name('worker')")
    exit_once_handled(init, USR1)
    member.kill(init, USR1)
    exited(observed, init)
    assert f"after it handled SIGUSR1 from worker[{member.pid}]" in story(observed)
    assert listed(observed) == ("-", "ended after SIGUSR1")


def test_an_init_that_dies_of_its_own_fault(observed: Investigation, init: Actor) -> None:
    init.channel.request("ctypes.string_at(0)")
    assert init.fate() == Fate("killed", 11)
    assert listed(observed) == ("-", "killed by SIGSEGV")


# Queued, and never delivered --------------------------------------------------------------------------


def test_a_signal_that_is_pending_still(stage: Stage, observed: Investigation, init: Actor) -> None:
    init(f"block({TERM})")
    stage.outside.kill(init, TERM)
    observed.snapshot("signalled")
    assert "\nqueued, blocked, and still pending " in story(observed)


def test_a_signal_that_was_fetched(stage: Stage, observed: Investigation, init: Actor) -> None:
    init(f"block({TERM})")
    stage.outside.kill(init, TERM)
    init(f"signal.sigwait([{TERM}]) and None")
    observed.snapshot("signalled")
    assert "\nqueued, blocked, and taken by sigtimedwait or a signalfd: no longer pending " in story(observed)


def test_a_signal_that_was_fetched_and_sent_on(
    stage: Stage, observed: Investigation, namespace: Namespace, init: Actor
) -> None:
    member = namespace.member()
    member("name('worker')")
    init(f"block({TERM})")
    stage.outside.kill(init, TERM)
    init(f"signal.sigwait([{TERM}]) and kill({member.own_pid}, {TERM})")
    assert member.fate() == Fate("killed", TERM)
    assert f"taken by sigtimedwait or a signalfd: it sent SIGTERM to worker[{member.pid}] " in story(observed)


def test_a_signal_that_was_fetched_by_an_init_that_exits(
    stage: Stage, observed: Investigation, init: Actor
) -> None:
    init(f"block({TERM})")
    stage.outside.kill(init, TERM)
    init.channel.request(f"signal.sigwait([{TERM}]) and os._exit(0)")
    assert init.fate() == Fate("exited", 0)
    assert "queued, blocked, and probably taken by sigtimedwait or a signalfd: it exited " in story(observed)


def test_a_pending_signal_that_is_discarded_by_sig_ign(
    stage: Stage, observed: Investigation, init: Actor
) -> None:
    init(f"block({TERM})")
    stage.outside.kill(init, TERM)
    init.set("ignore", TERM)
    assert init.mask("ShdPnd") == []
    observed.snapshot("signalled")
    assert "queued, blocked, and discarded as the program set SIG_IGN" in story(observed)


def test_a_signal_that_a_tracer_swallowed(observed: Investigation, init: Actor, other: Actor) -> None:
    init.set("handler", TERM)
    other(f"ptrace(syscalls.PTRACE_SEIZE, {init.pid})")
    other(f"kill({init.pid}, {TERM})")
    assert other(f"os.WSTOPSIG(os.waitpid({init.pid}, 0x40000000)[1])") == TERM  # __WALL
    other(f"ptrace(syscalls.PTRACE_CONT, {init.pid}, 0)")
    assert (init.settle(), init.caught()) == (RUNNING, [])
    observed.snapshot("signalled")
    assert f"queued; its tracer manager[{other.pid}] got it first, and no delivery followed" in story(
        observed
    )


def test_a_signal_that_is_ignored_at_delivery_is_a_finding(
    stage: Stage, observed: Investigation, init: Actor
) -> None:
    init.set("ignore", TERM)
    init(f"block({TERM})")
    stage.outside.kill(init, TERM)  # a blocked signal is never discarded as it is sent
    assert init.mask("ShdPnd") == [TERM]
    observed.snapshot("signalled")
    init(f"unblock({TERM})")
    assert init.settle() == RUNNING
    stage.outside.kill(init, KILL)
    assert init.fate() == Fate("killed", KILL)
    assert observed.causes() == ["ignored-by-program"]
    assert "ignored-by-program" not in [cause.slug for cause in observed.report().ruled_out]
    assert "the program ignores this signal" in story(observed)


# Want of memory ---------------------------------------------------------------------------------------


def test_a_member_that_was_killed_for_want_of_memory_is_told(
    observed: Investigation, namespace: Namespace, init: Actor
) -> None:
    member = namespace.member()
    member("name('worker')")
    hierarchy = Path("/sys/fs/cgroup/memory")
    limit = hierarchy / "memory.limit_in_bytes"
    require(limit.exists(), "cgroup-memory", "no v1 memory cgroup is mounted here")
    group = hierarchy / f"sigtrace-ends-{os.getpid()}"
    group.mkdir()
    try:
        (group / "memory.limit_in_bytes").write_text(str(32 << 20))
        for each in (init, member):
            (group / "cgroup.procs").write_text(str(each.pid))
        member.channel.request("len(bytearray(256 << 20))")
        assert member.fate() == Fate("killed", KILL)
        observed.snapshot()
        init.channel.request("os._exit(0)")
        assert init.fate() == Fate("exited", 0)
        name = f"worker[{member.pid}]"
        assert (
            f"SIGKILL from the kernel, in the context of {name} to {name}\nits cgroup counts 1 kill"
            in story(observed)
        )
        assert "exited with code 0\nits cgroup counts 1 kill for want of memory" in story(observed)
    finally:
        init.end()
        wait_until(lambda: not (group / "cgroup.procs").read_text(), "the cgroup to be empty")
        group.rmdir()
