"""Predictions from /proc against what the kernel then did, in the states a process can be in.

The plain cases, every signal, disposition and sender, are the truth matrix's. Nothing here is traced: what
became of a process is its wait status, its state in /proc and its own evidence.
"""

from __future__ import annotations

import os
import platform
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sigtrace import signals
from sigtrace.lab.actor import RUNNING, Actor, Fate, Namespace
from sigtrace.lab.channel import wait_until
from sigtrace.lab.stage import Stage
from sigtrace.predict.explain import explain
from sigtrace.predict.kernel_rules import Prediction, predict
from sigtrace.predict.prose import advice, caveat
from sigtrace.predict.scan import scan
from sigtrace.procfs.target import read_target
from tests.conftest import require
from tests.kernel.freezing import Freezer, hierarchy_of
from tests.kernel.hanging import dead_mount, hang_on
from tests.kernel.masks import became_of, other_thread
from tests.processes import children

HUP, QUIT, KILL, USR1, TERM, CONT, STOP, TSTP, RTMIN = 1, 3, 9, 10, 15, 18, 19, 20, 34


@pytest.fixture(autouse=True)
def root_only() -> None:
    require(os.geteuid() == 0, "kernel", "PID namespaces and freezers need root")


def ask(actor: Actor, number: int, relation: str = "ancestor") -> Prediction:
    said = predict(read_target(actor.pid), number, relation)
    assert said.certain, said.doubt
    return said


def later(said: Prediction) -> str | None:
    assert said.afterwards is not None
    return said.afterwards.verdict


def settled(actor: Actor, letters: str) -> None:
    wait_until(lambda: actor.stat_state() in letters, f"process {actor.pid} to be in state {letters}")


# Stopped ---------------------------------------------------------------------------------------------


def test_a_stopped_process_dies_of_sigterm_only_when_resumed(stage: Stage, member: Actor) -> None:
    stage.outside.kill(member, STOP)
    settled(member, "T")
    said = ask(member, TERM)
    assert (said.generate, said.effect, later(said)) == ("queued", "pending", "default_action")
    stage.outside.kill(member, TERM)
    assert TERM in member.mask("ShdPnd")
    assert member.stat_state() == "T"
    stage.outside.kill(member, CONT)
    assert member.fate() == Fate("killed", TERM)


def test_a_stopped_init_drops_at_once(stage: Stage, init: Actor) -> None:
    stage.outside.kill(init, STOP)
    settled(init, "T")
    assert ask(init, TERM).generate == "dropped_at_generate"
    stage.outside.kill(init, TERM)
    assert init.mask("ShdPnd") == []


@pytest.mark.parametrize(
    ("set_up", "effect"),
    [
        ("None", "continue"),
        (f"action({CONT}, 'ignore')", "continue"),
        (f"block({CONT})", "continue"),
        (f"action({CONT}, 'handler')", "handler"),
    ],
)
def test_sigcont_resumes_a_stopped_init_in_any_case(
    stage: Stage, init: Actor, set_up: str, effect: str
) -> None:
    init(set_up)
    stage.outside.kill(init, STOP)
    settled(init, "T")
    assert ask(init, CONT).effect == effect
    stage.outside.kill(init, CONT)
    assert init.settle() == RUNNING
    assert init.caught() == ([CONT] if effect == "handler" else [])


@pytest.mark.parametrize("orphaned", [False, True])
def test_a_terminal_stop_in_an_orphaned_process_group_does_nothing(
    stage: Stage, member: Actor, orphaned: bool
) -> None:
    member("os.setsid()" if orphaned else "os.setpgid(0, 0)")
    said = ask(member, TSTP)
    assert said.effect == ("none" if orphaned else "stop")
    stage.outside.kill(member, TSTP)
    assert member.settle().state == ("running" if orphaned else "stopped")


def test_a_process_group_held_by_another_member_is_not_orphaned(stage: Stage, namespace: Namespace) -> None:
    leader = namespace.member()
    leader("os.setpgid(0, 0)")  # its parent, the init, is in another group of the session: it holds the group
    child = leader.fork()
    assert ask(child, TSTP).effect == "stop"
    stage.outside.kill(child, TSTP)
    assert child.settle().state == "stopped"


# Frozen ----------------------------------------------------------------------------------------------


@pytest.fixture
def freezer(request: pytest.FixtureRequest, stage: Stage) -> Iterator[Freezer]:
    mounted = hierarchy_of(request.param)
    require(mounted, f"cgroup-{request.param}", f"no cgroup {request.param} freezer is mounted here")
    assert mounted is not None
    held = Freezer(mounted, request.param)
    try:
        yield held
    finally:
        if held.above.exists():
            held.set(False)
        stage.close()
        held.remove()


BOTH = pytest.mark.parametrize("freezer", ["v1", "v2"], indirect=True)
V1, V2 = (pytest.mark.parametrize("freezer", [version], indirect=True) for version in ("v1", "v2"))


@V1
@pytest.mark.parametrize("number", [TERM, KILL])
def test_under_the_v1_freezer_a_fatal_signal_waits_for_the_thaw(
    stage: Stage, member: Actor, freezer: Freezer, number: int
) -> None:
    freezer.hold(member)
    assert ask(member, number).effect == "frozen"
    stage.outside.kill(member, number)
    assert member.alive()
    assert ask(member, number).generate == ("dying" if number == KILL else "coalesced")
    freezer.set(False)
    assert member.fate() == Fate("killed", number)


@V2
@pytest.mark.parametrize("number", [TERM, KILL])
def test_the_v2_freezer_lets_a_fatal_signal_through(
    stage: Stage, member: Actor, freezer: Freezer, number: int
) -> None:
    freezer.hold(member)
    assert ask(member, number).effect == "terminate"
    stage.outside.kill(member, number)
    assert member.fate() == Fate("killed", number)


@V2
def test_the_v2_freezer_holds_back_a_signal_that_dumps_core(
    stage: Stage, member: Actor, freezer: Freezer
) -> None:
    freezer.hold(member)
    assert ask(member, QUIT).effect == "frozen"
    stage.outside.kill(member, QUIT)
    assert QUIT in member.mask("ShdPnd")
    freezer.set(False)
    assert member.fate() == Fate("killed", QUIT)


@BOTH
def test_a_frozen_init_runs_its_handler_after_the_thaw_and_drops_the_rest_at_once(
    stage: Stage, init: Actor, freezer: Freezer
) -> None:
    init.set("handler", TERM)
    freezer.hold(init)
    said = ask(init, TERM)
    assert (said.effect, later(said)) == ("frozen", "handled")
    assert ask(init, HUP).generate == "dropped_at_generate"
    stage.outside.kill(init, TERM)
    stage.outside.kill(init, HUP)
    assert init.mask("ShdPnd") == [TERM]
    freezer.set(False)
    assert init.settle() == RUNNING
    assert init.caught() == [TERM]


@V1
def test_what_a_frozen_process_waited_for_it_takes_after_the_thaw(
    stage: Stage, init: Actor, freezer: Freezer
) -> None:
    ticket = await_signals(init, TERM)
    freezer.hold(init)
    said = ask(init, TERM)
    assert said.effect == "frozen"
    assert said.afterwards is not None
    assert said.afterwards.effect == "taken"
    stage.outside.kill(init, TERM)
    freezer.set(False)
    assert init.channel.answer(ticket) == TERM


def await_signals(actor: Actor, *numbers: int) -> int:
    """Have the process wait in sigtimedwait; the ticket of its answer, the signal it got."""
    actor(f"block{(*numbers,)}")
    ticket = actor.channel.request(f"signal.sigtimedwait({list(numbers)}, 30).si_signo")
    wait_until(lambda: not set(numbers) & set(actor.mask("SigBlk")), "the process to wait")
    return ticket


# Beyond signals --------------------------------------------------------------------------------------


def test_a_zombie_takes_no_signal(stage: Stage, namespace: Namespace) -> None:
    child = namespace.joined()
    stage.outside.kill(child, KILL)
    settled(child, "Z")
    assert ask(child, KILL).generate == "dying"
    assert "zombie" in ask(child, TERM).reason


def test_an_init_that_waits_for_a_zombie_of_its_namespace_is_dying(
    stage: Stage, namespace: Namespace
) -> None:
    joined = namespace.joined()  # its parent is outside, and does not reap it
    stage.outside.kill(namespace.init, KILL)
    settled(joined, "Z")
    wait_until(lambda: "zap_pid_ns" in wchan(namespace.init.pid), "the init to wait for its namespace")
    assert namespace.init.stat_state() == "S"
    assert ask(namespace.init, TERM).generate == "dying"
    assert ask(namespace.init, KILL).generate == "dying"


def wchan(pid: int) -> str:
    return Path(f"/proc/{pid}/wchan").read_text()


def test_a_kernel_thread_takes_nothing() -> None:
    require(Path("/proc/2/comm").exists(), "kernel", "kernel threads cannot be seen from this namespace")
    assert Path("/proc/2/comm").read_text().strip() == "kthreadd"
    said = predict(read_target(2), KILL, "same")
    assert (said.generate, said.certain) == ("kernel_thread", True)


def test_from_below_the_target_has_no_pid_to_signal(stage: Stage, init: Actor) -> None:
    assert predict(read_target(stage.outside.pid), TERM, "descendant").generate is None
    with pytest.raises(ProcessLookupError):
        init.kill(stage.outside, TERM)


# Tracers ---------------------------------------------------------------------------------------------


def test_a_tracer_decides_about_every_signal_but_sigkill(stage: Stage, member: Actor) -> None:
    tracer = stage.actor()
    tracer(f"ptrace(syscalls.PTRACE_SEIZE, {member.pid})")
    said = predict(read_target(member.pid), TERM, "ancestor")
    assert not said.certain
    assert said.doubt == f"traced by PID {tracer.pid}, which sees the signal first"
    stage.outside.kill(member, TERM)
    settled(member, "t")
    held = predict(read_target(member.pid), USR1, "ancestor")
    assert (held.effect, held.waits_for) == ("pending", "resuming")
    stage.outside.kill(member, USR1)
    assert USR1 in member.mask("ShdPnd")
    assert ask(member, KILL).effect == "terminate"
    stage.outside.kill(member, KILL)
    tracer(f"os.waitpid({member.pid}, 0x40000000)")  # __WALL: a tracer hears of the end first
    assert member.fate().code == KILL


# Threads ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [TERM, HUP, RTMIN])
def test_kill_by_the_number_of_a_thread_that_blocks_the_signal_ends_even_an_init_unless_the_kernel_spares_it(
    stage: Stage, init: Actor, spares_init: bool, number: int
) -> None:
    init(f"thread([{number}])")
    thread = other_thread(init)
    assert ask(init, number).dropped
    stage.outside.kill(init, number)
    assert init.settle() == RUNNING
    target = read_target(thread)
    said = predict(target, number, "ancestor")
    assert (said.effect, said.certain) == ("terminate", False)
    assert "drop the signal at delivery" in said.doubt
    known = predict(replace(target, spares_init=spares_init), number, "ancestor")
    stage.outside(f"kill({thread}, {number})")
    lives = became_of(init) == RUNNING
    assert (known.effect, known.dropped, known.certain) == ("none" if lives else "terminate", lives, True)
    assert init.fate(0) == (RUNNING if lives else Fate("killed", number))


def test_three_threads_of_which_one_takes_the_signal_are_as_two(
    stage: Stage, init: Actor, spares_init: bool
) -> None:
    init(f"thread([{TERM}])")
    init("thread()")
    init(f"block({TERM})")
    stage.outside.kill(init, TERM)
    assert became_of(init) == (RUNNING if spares_init else Fate("killed", TERM))


def test_scan_and_explain_say_that_it_depends_where_kernels_differ(
    stage: Stage, init: Actor, spares_init: bool
) -> None:
    init("thread()")
    init(f"block({TERM})")
    (row,) = scan(TERM, ns={namespace_inode(init)}).rows
    said = explain("TERM", init.pid).as_dict()
    assert row.verdict == "can't be told"
    assert row.why.startswith("most likely stops at once: the thread looked up blocks SIGTERM")
    assert row.why.endswith(f"; not certain: {said['doubt']}")
    assert row.words[TERM] == "die?"
    assert (said["outcome"], said["certain"]) == ("not certain; most likely the process ends", False)
    assert "since v4.15 mainline Linux ends the init at once" in str(said["doubt"])
    assert "others drop the signal at delivery" in str(said["doubt"])
    stage.outside.kill(init, TERM)
    assert became_of(init) == (RUNNING if spares_init else Fate("killed", TERM))


def test_a_core_dumping_signal_that_one_thread_does_not_block_is_dropped_at_delivery(
    stage: Stage, init: Actor
) -> None:
    init("thread()")
    init(f"block({QUIT})")
    said = ask(init, QUIT)
    assert (said.deliver, said.effect) == ("dropped_at_deliver", "none")
    stage.outside.kill(init, QUIT)
    wait_until(lambda: not init.mask("ShdPnd"), "the other thread to take the signal")
    assert init.settle() == RUNNING


def test_a_process_lives_on_without_its_first_thread(stage: Stage, member: Actor) -> None:
    member("thread()")
    leave = 60 if platform.machine() == "x86_64" else 93  # exit(2), which ends this thread only
    member.channel.request(f"ctypes.CDLL(None).syscall({leave}, 0)")
    settled(member, "Z")
    assert ask(member, TERM).effect == "terminate"
    stage.outside.kill(member, TERM)
    assert member.fate() == Fate("killed", TERM)


# Programs that take signals without a handler --------------------------------------------------------


@pytest.mark.parametrize("name", ["tini", "catatonit"])
def test_the_small_inits_are_known_to_take_sigterm(stage: Stage, init: Actor, name: str) -> None:
    program = shutil.which(name)
    require(program, "kernel", f"{name} is not installed")
    init.become(str(program), "--", "/bin/sleep", "60")
    wait_until(lambda: "sleep" in children(init.pid).values(), f"{name} to start its program")
    wait_until(lambda: predict(read_target(init.pid), TERM, "ancestor").effect == "taken", "a prediction")
    said = ask(init, TERM)
    assert (said.generate, said.deliver, said.effect) == ("queued", None, "taken")
    assert init.mask("SigCgt") == []
    stage.outside.kill(init, TERM)
    assert init.fate() == Fate("exited", 128 + TERM)


@pytest.fixture
def spinners() -> Iterator[None]:
    """Twice as many busy processes as there are processors: who wakes has to wait for one."""
    busy = [
        subprocess.Popen([sys.executable, "-S", "-c", "while 1: pass"])
        for _ in range(2 * (os.cpu_count() or 1))
    ]
    try:
        yield
    finally:
        for each in busy:
            each.kill()
            each.wait()


@pytest.mark.usefixtures("spinners")
@pytest.mark.parametrize("name", ["tini", "dumb-init"])
def test_no_look_at_an_init_that_just_wakes_is_certain_of_a_drop(
    stage: Stage, init: Actor, name: str
) -> None:
    program = shutil.which(name)
    require(program, "kernel", f"{name} is not installed")
    init.become(str(program), "--", "/bin/sleep", "60")
    wait_until(lambda: "sleep" in children(init.pid).values(), f"{name} to start its program")
    wakes = f"import os, time\nwhile 1: os.kill({init.pid}, {signal.SIGCHLD}); time.sleep(0.0007)"
    with subprocess.Popen([sys.executable, "-S", "-c", wakes]) as waker:
        try:
            looks = [predict(read_target(init.pid), TERM, "ancestor") for _ in range(500)]
        finally:
            waker.kill()
    assert {each.effect for each in looks if each.certain} == {"taken"}


@pytest.mark.usefixtures("spinners")
def test_a_program_that_never_sleeps_waits_for_no_signal(stage: Stage, init: Actor) -> None:
    init.become(sys.executable, "-S", "-c", "while True: pass")
    wait_until(lambda: init.comm() != "app" and init.stat_state() == "R", "the program to run")
    wait_until(lambda: predict(read_target(init.pid), TERM, "ancestor").certain, "a look that saw it run")
    assert ask(init, HUP).generate == "dropped_at_generate"


def test_a_signalfd_without_blocking_the_signal_does_not_help(stage: Stage, init: Actor) -> None:
    init(f"fd = signalfd([{TERM}])")
    assert ask(init, TERM).generate == "dropped_at_generate"
    stage.outside.kill(init, TERM)
    assert init("select.select([fd], [], [], 0)[0]") == []


def test_a_wait_for_other_signals_does_not_help(stage: Stage, init: Actor) -> None:
    await_signals(init, USR1)
    assert ask(init, USR1).effect == "taken"
    assert ask(init, TERM).generate == "dropped_at_generate"
    stage.outside.kill(init, TERM)
    assert init.mask("ShdPnd") == []


def test_a_full_queue_never_refuses_kill(stage: Stage, member: Actor) -> None:
    member(f"block({RTMIN})")
    member("resource.setrlimit(resource.RLIMIT_SIGPENDING, (0, 0))")
    assert ask(member, RTMIN).generate == "queued"
    stage.outside.kill(member, RTMIN)
    assert RTMIN in member.mask("ShdPnd")


def test_what_scan_says_of_a_namespace_is_what_a_stop_comes_to(stage: Stage) -> None:
    program = shutil.which("tini")
    require(program, "kernel", "tini is not installed")
    spaces = {"sleeps": stage.namespace(), "tini": stage.namespace(), "blocks": stage.namespace()}
    spaces["sleeps"].init.become("/bin/sleep", "60")
    spaces["tini"].init.become(str(program), "--", "/bin/sleep", "60")
    spaces["blocks"].init(f"block({TERM})")
    wait_until(lambda: "sleep" in children(spaces["tini"].init.pid).values(), "tini to start its program")
    rows = scan(TERM, ns={space.inode for space in spaces.values()})
    said = {row.namespace.nsid: row.verdict for row in rows}
    assert [said[space.inode] for space in spaces.values()] == [
        "waits for KILL",
        "stops at once",
        "waits for KILL",
    ]
    for space in spaces.values():
        stage.outside.kill(space.init, TERM)
    assert spaces["tini"].init.fate() == Fate("exited", 128 + TERM)
    assert [spaces[name].init.fate(0) for name in ("sleeps", "blocks")] == [RUNNING, RUNNING]


def test_a_dying_and_a_dead_init_are_told_apart(stage: Stage) -> None:
    held, dead = stage.namespace(), stage.namespace()
    joined = held.joined()  # a zombie of the namespace that nobody reaps holds its init up
    assert joined.parent is not None
    joined.parent("name('holder')")
    stage.outside.kill(held.init, KILL)
    stage.outside.kill(dead.init, KILL)
    settled(joined, "Z")
    settled(dead.init, "Z")
    wait_until(lambda: "zap_pid_ns" in wchan(held.init.pid), "the init to wait for its namespace")
    rows = {
        row.namespace.nsid: (row.verdict, row.why) for row in scan(TERM, ns={held.inode, dead.inode}).rows
    }
    zombie = f"PID {joined.pid}, a zombie of holder[{joined.parent.pid}] outside the namespace"
    assert rows[held.inode] == ("", f"ending already: its init has exited, and waits for {zombie}")
    told = explain("TERM", held.init.pid)
    assert caveat(told) == f"it has exited, and waits for {zombie}"
    assert advice(told) == [f"have its parent PID {joined.parent.pid} (holder) reap it, or end that parent"]
    assert explain("TERM", dead.init.pid).remaining == ()
    assert rows[dead.inode][0] == ""
    assert "its init is a zombie" in rows[dead.inode][1]
    assert joined.fate() == Fate("killed", KILL)  # its parent reaps it, as advised
    wait_until(lambda: held.init.stat_state() in "ZX", "the init to end")


@V1
def test_a_killed_init_in_a_frozen_cgroup_is_said_to_end_once_thawed(
    stage: Stage, namespace: Namespace, freezer: Freezer
) -> None:
    freezer.hold(namespace.init)
    stage.outside.kill(namespace.init, KILL)
    (row,) = scan(TERM, ns={namespace.inode}).rows
    assert (row.verdict, row.why) == ("", "killed already: it ends once thawed (cgroup v1)")
    told = explain("TERM", namespace.init.pid)
    assert told.prediction.reason == row.why
    assert advice(told)[0].startswith("thaw its cgroup")
    freezer.set(False)
    assert namespace.init.fate() == Fate("killed", KILL)


@V1
def test_a_frozen_member_that_holds_up_its_ended_init_is_named(
    stage: Stage, namespace: Namespace, freezer: Freezer
) -> None:
    member = namespace.member()
    freezer.hold(member)
    stage.outside.kill(namespace.init, KILL)
    wait_until(lambda: "do_wait" in wchan(namespace.init.pid), "the init to wait for its child")
    (row,) = scan(TERM, ns={namespace.inode}).rows
    assert f"waits for PID {member.pid} ({member.comm()}), frozen by cgroup v1" in row.why
    assert advice(explain("TERM", namespace.init.pid))[0].startswith(f"PID {member.pid}: thaw its cgroup")
    freezer.set(False)
    assert namespace.init.fate() == Fate("killed", KILL)


def test_a_sleeper_that_not_even_kill_ends_is_named_with_where_to_look(stage: Stage) -> None:
    require(os.path.exists("/dev/fuse"), "fuse", "there is no /dev/fuse")
    server = stage.actor()
    server("private_mounts()")
    namespace = server.namespace()
    member = namespace.member()
    dead_mount(server)
    hang_on(server, member)
    stage.outside.kill(namespace.init, KILL)
    settled(member, "D")
    wait_until(lambda: "do_wait" in wchan(namespace.init.pid), "the init to wait for its child")
    (row,) = scan(TERM, ns={namespace.inode}).rows
    assert row.why.endswith(f"waits for PID {member.pid} ({member.comm()}), in uninterruptible sleep")
    (fix,) = advice(explain("TERM", namespace.init.pid))
    assert (
        fix
        == f"PID {member.pid} cannot end before its sleep does: /proc/{member.pid}/stack shows where it sleeps"
    )


def test_a_zombie_that_a_tracer_keeps_is_said_to_be_the_tracers(stage: Stage, namespace: Namespace) -> None:
    member, tracer = namespace.member(), stage.actor()
    tracer(f"ptrace(syscalls.PTRACE_SEIZE, {member.pid})")
    stage.outside.kill(namespace.init, KILL)
    settled(member, "Z")
    wait_until(lambda: "do_wait" in wchan(namespace.init.pid), "the init to wait for its child")
    (row,) = scan(TERM, ns={namespace.inode}).rows
    assert row.why.endswith(
        f"PID {member.pid}, a zombie that its tracer, PID {tracer.pid}, has not waited for"
    )
    (fix,) = advice(explain("TERM", namespace.init.pid))
    assert fix == f"have the tracer PID {tracer.pid} wait for it, or end the tracer"
    tracer.dismiss()  # as advised
    assert namespace.init.fate() == Fate("killed", KILL)


@pytest.mark.parametrize(
    ("command", "stops", "why"),
    [
        (
            "sleep 60; true",
            None,
            "the shell most likely runs its trap only when its foreground command sleep[{}] has ended",
        ),
        ("while :; do read -t 0.02 <>/proc/self/fd/1; done", True, "if its trap for SIGTERM ends it"),
    ],
)
def test_a_shells_trap_is_not_said_to_run_while_its_command_does(
    stage: Stage, init: Actor, command: str, stops: bool | None, why: str
) -> None:
    init.become("/bin/bash", "-c", f"trap 'exit 3' TERM; {command}")
    wait_until(lambda: TERM in init.mask("SigCgt"), "the shell to set its trap")
    if not stops:
        wait_until(lambda: "sleep" in children(init.pid).values(), "the shell to run its command")
    why = why.format(*children(init.pid))
    (row,) = scan(TERM, ns={namespace_inode(init)}).rows
    assert (row.verdict, row.why) == ("stops at once" if stops else "can't be told", why)
    assert caveat(explain("TERM", init.pid)).endswith(why)
    stage.outside.kill(init, TERM)
    assert init.fate(10 if stops else 0.3) == (Fate("exited", 3) if stops else RUNNING)


def namespace_inode(actor: Actor) -> int:
    return Path(f"/proc/{actor.pid}/ns/pid").stat().st_ino


def test_what_hangs_by_the_programs_choice_is_not_said_to_stop_without_an_if(stage: Stage) -> None:
    idle, unread = (stage.namespace() for _ in range(2))
    idle.init.set("handler", TERM)  # which does nothing but note it
    unread.init(f"block({TERM})")
    unread.init(f"fd = signalfd([{TERM}])")
    rows = {row.namespace.nsid: row for row in scan(TERM, ns={each.inode for each in (idle, unread)}).rows}
    assert all(row.verdict == "stops at once" and row.why.startswith("if ") for row in rows.values())
    assert "signalfd" in rows[unread.inode].why
    for each in (idle, unread):
        stage.outside.kill(each.init, TERM)
        assert each.init.fate(0) == RUNNING
    assert (
        scan(TERM, ns={unread.inode}).rows[0].why
        == "it has not read its signalfd yet, where a SIGTERM is pending already"
    )


# Without the right to look ---------------------------------------------------------------------------


def test_another_user_sees_what_is_public_and_says_what_is_not(init: Actor) -> None:
    init.set("handler", HUP)
    script = f"""
import os
from sigtrace.predict.kernel_rules import predict
from sigtrace.procfs.target import read_target
os.setgroups([]); os.setgid(65534); os.setuid(65534)
target = read_target({init.pid})
assert (target.unkillable, target.level, target.nsid) == (True, 1, None), target
assert predict(target, {HUP}, "ancestor").generate == "queued"
term = predict(target, {TERM}, "ancestor")
assert (term.generate, term.certain) == ("dropped_at_generate", False), term
print(term.doubt)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout == (
        "whether it waits in sigtimedwait(2) is not known: /proc/PID/syscall could not be read "
        "(it takes CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH)\n"
    )


def test_the_masks_that_are_read_are_those_of_the_process(init: Actor) -> None:
    init.set("handler", HUP, TERM)
    init.set("ignore", USR1)
    init(f"block({RTMIN}, {QUIT})")
    target = read_target(init.pid)
    assert signals.members(target.caught) == init.mask("SigCgt") == [HUP, TERM]
    assert signals.members(target.ignored) == [USR1]
    assert signals.members(target.threads[0].blocked) == [QUIT, RTMIN]
    assert (target.ns_pid, target.start_ticks) == (1, init.start_ticks())
