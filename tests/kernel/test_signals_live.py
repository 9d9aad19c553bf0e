"""Every road a signal can take to a process, on the live kernel: what happened there is what was recorded."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from sigtrace.lab.actor import RUNNING, Actor, Fate, Namespace
from sigtrace.lab.channel import ActorGone, wait_until
from sigtrace.lab.stage import Stage
from sigtrace.predict.kernel_rules import predict
from sigtrace.procfs.target import read_target
from tests.conftest import require
from tests.kernel.masks import KILLED, became_of, other_thread
from tests.kernel.recording import EventLog, Row

pytestmark = pytest.mark.kernel

ABRT, ALRM, CHLD, CONT, HUP, KILL, PIPE, SEGV, STOP, TERM, USR1 = (
    signal.SIGABRT,
    signal.SIGALRM,
    signal.SIGCHLD,
    signal.SIGCONT,
    signal.SIGHUP,
    signal.SIGKILL,
    signal.SIGPIPE,
    signal.SIGSEGV,
    signal.SIGSTOP,
    signal.SIGTERM,
    signal.SIGUSR1,
)
RTMIN = 34
SI_QUEUE, SI_TKILL, SI_USER, SI_KERNEL, SEGV_MAPERR = -1, -6, 0, 128, 1
DROPPED = [("generate", "dropped_at_generate")]
QUEUED = [("generate", "queued")]
HANDLED = [("generate", "queued"), ("deliver", "handled")]
LATE_DROP = [("generate", "queued"), ("deliver", "dropped_at_deliver")]


@pytest.fixture
def namespace(stage: Stage, recorded: EventLog) -> Namespace:
    return recorded.watch(stage.namespace())


# Blocked, pending, coalesced, overflowed -------------------------------------------------------------


def test_a_blocked_signal_is_dropped_at_delivery_once_an_init_unblocks_it(
    recorded: EventLog, init: Actor, member: Actor
) -> None:
    init(f"block({TERM})")
    member.kill(init, TERM)
    assert init.settle() == RUNNING
    assert init.mask("ShdPnd") == [TERM]
    assert recorded.verdicts(init, TERM) == QUEUED
    init(f"unblock({TERM})")
    assert (init.settle(), init.mask("ShdPnd")) == (RUNNING, [])
    assert recorded.verdicts(init, TERM) == LATE_DROP


def test_a_drop_at_delivery_names_who_sent_the_signal_long_before(
    recorded: EventLog, stage: Stage, init: Actor
) -> None:
    sender = stage.actor()
    sender("name('patient')")
    init(f"block({TERM})")
    sender.kill(init, TERM)
    sender.end()
    init(f"unblock({TERM})")
    init.settle()
    row = recorded.one(init, "deliver", TERM)
    assert (row["verdict"], row["sender_pid"], row["sender_comm"], row["relation"]) == (
        "dropped_at_deliver",
        sender.pid,
        "patient",
        "ancestor",
    )


def test_a_blocked_signal_is_delivered_once_unblocked_if_there_is_a_handler_by_then(
    recorded: EventLog, init: Actor, member: Actor
) -> None:
    init(f"block({TERM})")
    member.kill(init, TERM)
    init.set("handler", TERM)
    init(f"unblock({TERM})")
    assert (init.settle(), init.caught()) == (RUNNING, [TERM])
    assert recorded.verdicts(init, TERM) == HANDLED


def test_a_standard_signal_that_is_pending_swallows_the_next_and_the_handler_runs_once(
    recorded: EventLog, init: Actor, member: Actor
) -> None:
    init.set("handler", TERM)
    init(f"block({TERM})")
    for _ in range(3):
        member.kill(init, TERM)
    assert predict(read_target(init.pid), TERM, "same").generate == "coalesced"
    init(f"unblock({TERM})")
    assert (init.settle(), init.caught()) == (RUNNING, [TERM])
    twice = [("generate", "coalesced")] * 2
    assert recorded.verdicts(init, TERM) == [("generate", "queued"), *twice, ("deliver", "handled")]


def test_real_time_signals_queue_up_and_every_one_is_handled(
    recorded: EventLog, init: Actor, member: Actor
) -> None:
    init.set("handler", RTMIN)
    init(f"block({RTMIN})")
    for _ in range(3):
        member.kill(init, RTMIN)
    init(f"unblock({RTMIN})")
    assert (init.settle(), init.caught()) == (RUNNING, [RTMIN] * 3)
    assert sorted(recorded.verdicts(init, RTMIN)) == sorted(HANDLED * 3)


def test_a_full_queue_refuses_sigqueue_and_that_is_recorded_as_overflowed(
    recorded: EventLog, init: Actor, member: Actor
) -> None:
    # A user of its own: the limit is on what is pending for all of a user's processes.
    member("os.setuid(1234567)")
    member("resource.setrlimit(resource.RLIMIT_SIGPENDING, (2, 2))")
    member.set("handler", RTMIN)
    member(f"block({RTMIN})")
    for _ in range(2):
        init(f"sigqueue({member.own_pid}, {RTMIN})")
    forecast = predict(read_target(member.pid), RTMIN, "same", "sigqueue")
    with pytest.raises(BlockingIOError):  # EAGAIN
        init(f"sigqueue({member.own_pid}, {RTMIN})")
    assert (forecast.generate, forecast.effect) == ("overflowed", "none")
    member(f"unblock({RTMIN})")
    assert (member.settle(), member.caught()) == (RUNNING, [RTMIN] * 2)
    generated = [row["verdict"] for row in recorded.rows(member, stage="generate", signal=RTMIN)]
    assert generated == ["queued", "queued", "overflowed"]


# System calls ----------------------------------------------------------------------------------------

CALLS = {
    "kill": ("kill(1, {})", SI_USER),
    "tkill": ("raw('tkill', 1, {})", SI_TKILL),
    "tgkill": ("raw('tgkill', 1, 1, {})", SI_TKILL),
    "sigqueue": ("sigqueue(1, {})", SI_QUEUE),
    "tgsigqueue": ("tgsigqueue(1, 1, {})", SI_QUEUE),
    "pidfd_send_signal": ("signal.pidfd_send_signal(os.pidfd_open(1), {})", SI_USER),
}


@pytest.mark.parametrize("call", CALLS)
def test_every_way_to_send_is_dropped_without_a_handler_and_handled_with_one(
    recorded: EventLog, init: Actor, member: Actor, call: str
) -> None:
    source, code = CALLS[call]
    init.set("handler", USR1)
    for number in (TERM, USR1):
        member(f"{source.format(int(number))} and None")
    assert (init.settle(), init.caught()) == (RUNNING, [USR1])
    assert recorded.verdicts(init, TERM) == DROPPED
    assert recorded.verdicts(init, USR1) == HANDLED
    row = recorded.one(init, "generate", TERM)
    assert (row["code"], row["relation"], row["sender_pid"]) == (code, "same", member.pid)


def test_kill_minus_one_inside_reaches_the_members_and_never_the_init(
    recorded: EventLog, namespace: Namespace, member: Actor
) -> None:
    victims = [namespace.member(), namespace.joined()]
    member(f"kill(-1, {KILL})")
    assert [victim.settle() for victim in victims] == [Fate("killed", KILL)] * 2
    assert namespace.init.settle() == RUNNING
    assert all(recorded.rows(victim, stage="generate", signal=KILL) for victim in victims)
    assert recorded.rows(namespace.init, signal=KILL) == []


def test_an_init_waiting_in_sigtimedwait_takes_the_signal_without_delivery(
    recorded: EventLog, init: Actor, member: Actor
) -> None:
    init(f"block({TERM})")
    ticket = init.channel.request(f"signal.sigtimedwait([{TERM}], 30).si_signo")
    wait_until(lambda: TERM not in init.mask("SigBlk"), "the init to wait")
    forecast = predict(read_target(init.pid), TERM, "same")
    member.kill(init, TERM)
    assert init.channel.answer(ticket) == TERM
    assert recorded.verdicts(init, TERM) == QUEUED
    assert (forecast.generate, forecast.deliver, forecast.effect) == ("queued", None, "taken")


def test_an_init_reading_a_signalfd_takes_the_signal_without_delivery(
    recorded: EventLog, init: Actor, member: Actor
) -> None:
    init(f"block({TERM})")
    init(f"fd = signalfd([{TERM}])")
    forecast = predict(read_target(init.pid), TERM, "same")
    member.kill(init, TERM)
    assert init("os.read(fd, 128)[0]") == TERM
    assert recorded.verdicts(init, TERM) == QUEUED
    assert (forecast.generate, forecast.deliver, forecast.effect) == ("queued", None, "taken")


# Sent by the kernel ----------------------------------------------------------------------------------


def test_an_alarm_is_dropped_for_an_init_and_kills_a_member(
    recorded: EventLog, init: Actor, member: Actor
) -> None:
    for actor in (init, member):
        actor.channel.request("signal.setitimer(signal.ITIMER_REAL, 0.001) and None")
    assert member.fate() == Fate("killed", ALRM)
    wait_until(lambda: bool(recorded.rows(init, signal=ALRM)), "the init's alarm")
    assert init.settle() == RUNNING
    assert recorded.verdicts(init, ALRM) == DROPPED
    assert_from_kernel(recorded.one(init, "generate", ALRM))
    assert_from_kernel(recorded.one(member, "generate", ALRM))


def test_sigpipe_is_dropped_for_an_init_and_kills_a_member(
    recorded: EventLog, init: Actor, member: Actor
) -> None:
    for actor in (init, member):
        actor("r, w = os.pipe(); os.close(r)")
    with pytest.raises(BrokenPipeError):
        init("os.write(w, b'x')")
    member.channel.request("os.write(w, b'x')")
    assert (init.settle(), member.fate()) == (RUNNING, Fate("killed", PIPE))
    assert recorded.verdicts(init, PIPE) == DROPPED
    assert_from_kernel(recorded.one(init, "generate", PIPE))


def test_a_fault_voids_the_protection_and_kills_the_init(recorded: EventLog, init: Actor) -> None:
    init.channel.request("ctypes.string_at(0)")
    assert init.fate() == Fate("killed", SEGV)
    row = recorded.one(init, "generate", SEGV)
    assert (row["verdict"], row["code"]) == ("queued", SEGV_MAPERR)
    assert_from_kernel(row)
    ended = recorded.rows(init, stage="exit")[-1]
    assert (ended["verdict"], ended["exit_signal"], ended["exit_code"]) == ("exited", SEGV, 0)


def test_abort_in_an_init_is_dropped_until_a_fault_ends_it(recorded: EventLog, init: Actor) -> None:
    init.channel.request("os.abort()")
    assert init.fate() == Fate("killed", SEGV)
    aborts = recorded.rows(init, stage="generate", signal=ABRT)
    assert len(aborts) >= 1
    assert {(row["verdict"], row["relation"]) for row in aborts} == {("dropped_at_generate", "self")}
    assert_from_kernel(recorded.one(init, "generate", SEGV))


def test_sigchld_to_an_init_is_ignored_by_default_and_no_drop(
    recorded: EventLog, init: Actor, member: Actor
) -> None:
    member.channel.request("os._exit(3)")
    assert member.fate() == Fate("exited", 3)
    row = recorded.one(init, "generate", CHLD)
    assert (row["verdict"], row["unkillable"], row["disposition"]) == ("default_ignored", True, "default")
    ended = recorded.one(member, "exit", 0)
    assert (ended["exit_code"], ended["exit_signal"]) == (3, 0)


def test_an_inits_death_sends_a_kernel_sigkill_to_every_process_below(
    recorded: EventLog, stage: Stage, namespace: Namespace
) -> None:
    nested = namespace.init.namespace()
    below = [namespace.member(), namespace.joined(), nested.init, nested.member()]
    for actor in below:
        actor.set("handler", TERM)
    stage.outside.kill(namespace.init, KILL)
    for actor in below:
        wait_until(lambda actor=actor: not actor.alive(), f"process {actor.pid} to die with its init")
        kills = recorded.rows(actor, stage="generate", signal=KILL)
        assert [row["verdict"] for row in kills[:1]] == ["queued"]
        assert any(row["relation"] == "kernel" and row["sender_pid"] is None for row in kills)
        assert recorded.rows(actor, stage="exit")[-1]["exit_signal"] == KILL
    assert below[1].fate() == Fate("killed", KILL)
    assert namespace.init.fate() == Fate("killed", KILL)


def assert_from_kernel(row: Row) -> None:
    assert (row["relation"], row["sender_pid"], row["sender_comm"]) == ("kernel", None, "")


# Tracers, threads, stops, exec -----------------------------------------------------------------------


def test_a_traced_init_discards_nothing_at_generation_and_drops_at_delivery(
    recorded: EventLog, stage: Stage, init: Actor, member: Actor
) -> None:
    tracer = stage.actor()
    tracer(f"ptrace(syscalls.PTRACE_SEIZE, {init.pid})")
    member.kill(init, TERM)
    assert tracer(f"os.WSTOPSIG(os.waitpid({init.pid}, 0x40000000)[1])") == TERM  # __WALL
    assert recorded.verdicts(init, TERM) == QUEUED
    assert recorded.one(init, "generate", TERM)["traced"] is True
    tracer(f"ptrace(syscalls.PTRACE_CONT, {init.pid}, {TERM})")
    assert init.settle() == RUNNING
    assert recorded.verdicts(init, TERM) == LATE_DROP


def test_a_thread_that_does_not_block_the_signal_runs_the_handler(
    recorded: EventLog, init: Actor, member: Actor
) -> None:
    tid = init("thread()")
    init.set("handler", TERM)
    init(f"block({TERM})")
    member.kill(init, TERM)
    wait_until(lambda: init.caught() == [TERM], "the handler to run")
    row = recorded.one(init, "deliver", TERM)
    outer_tids = {int(name) for name in os.listdir(f"/proc/{init.pid}/task")}
    assert (row["verdict"], row["target_pid"]) == ("handled", init.pid)
    assert row["target_tid"] in outer_tids - {init.pid}
    assert tid != 1


@pytest.mark.parametrize("road", ["inside", "outside", "pidfd", "thread"])
def test_a_fatal_signal_that_only_the_thread_looked_up_blocks_ends_an_init_or_is_dropped_at_delivery(
    recorded: EventLog, stage: Stage, init: Actor, member: Actor, spares_init: bool, road: str
) -> None:
    # complete_signal() does not ask for SIGNAL_UNKILLABLE since Linux kernel commit 426915796cca (in v4.15); the
    # kernels that ask spare the init, and `spares_init` has found out by the fate of another which this one is
    tid = init(f"thread([{TERM}])" if road == "thread" else "thread()")
    if road != "thread":
        init(f"block({TERM})")
    target = read_target(other_thread(init) if road == "thread" else init.pid)
    forecast = predict(target, TERM, "same")
    known = predict(replace(target, spares_init=spares_init), TERM, "same")
    with suppress(ActorGone):  # a member dies with the init, perhaps before it can answer
        if road == "outside":
            stage.outside.kill(init, TERM)
        elif road == "pidfd":
            signal.pidfd_send_signal(init.pidfd, TERM)
        else:
            member(f"kill({tid if road == 'thread' else 1}, {TERM})")
    assert became_of(init) == (RUNNING if spares_init else KILLED)
    assert recorded.verdicts(init, TERM) == (LATE_DROP if spares_init else QUEUED)
    exits = [row["exit_signal"] for row in recorded.rows(init, stage="exit")]
    assert exits == ([] if spares_init else [TERM])
    assert (forecast.generate, forecast.effect, forecast.certain) == ("queued", "terminate", False)
    assert "ends the init" in forecast.doubt
    assert "drop the signal at delivery" in forecast.doubt
    assert (known.generate, known.certain) == ("queued", True)
    assert known.deliver == ("dropped_at_deliver" if spares_init else "default_action")
    assert known.effect == ("none" if spares_init else "terminate")


def test_tgkill_asks_the_thread_it_names_and_no_other(recorded: EventLog, stage: Stage, init: Actor) -> None:
    init("thread()")
    init(f"block({TERM})")
    stage.outside(f"raw('tgkill', {init.pid}, {init.pid}, {TERM})")
    assert (init.settle(), init.mask("SigPnd")) == (RUNNING, [TERM])
    assert recorded.verdicts(init, TERM) == QUEUED
    stage.outside(f"raw('tgkill', {init.pid}, {other_thread(init)}, {TERM})")
    assert init.settle() == RUNNING
    assert recorded.verdicts(init, TERM) == QUEUED + DROPPED


def test_tgkill_to_a_thread_names_the_thread(recorded: EventLog, init: Actor, member: Actor) -> None:
    tid = init("thread()")
    member(f"raw('tgkill', 1, {tid}, {TERM})")
    assert init.settle() == RUNNING
    row = recorded.one(init, "generate", TERM)
    numbers = Path(f"/proc/{init.pid}/task/{row['target_tid']}/status").read_text()
    assert f"NSpid:\t{row['target_tid']}\t{tid}\n" in numbers
    assert (row["verdict"], row["target_pid"]) == ("dropped_at_generate", init.pid)


def test_a_stopped_init_drops_at_once_what_it_has_no_handler_for_and_handles_the_rest_when_resumed(
    recorded: EventLog, stage: Stage, init: Actor
) -> None:
    init.set("handler", USR1)
    stage.outside.kill(init, STOP)
    assert init.settle() == Fate("stopped", STOP)
    for number in (TERM, USR1):
        stage.outside.kill(init, number)
    assert recorded.verdicts(init, TERM) == DROPPED
    assert recorded.verdicts(init, USR1) == QUEUED
    stage.outside.kill(init, CONT)
    assert (init.settle(), init.caught()) == (RUNNING, [USR1])
    assert recorded.verdicts(init, USR1) == HANDLED


def test_exec_resets_handlers_so_that_the_new_program_drops_what_the_old_one_handled(
    recorded: EventLog, init: Actor, member: Actor
) -> None:
    init.set("handler", TERM)
    init.set("ignore", HUP)
    member.kill(init, TERM)
    assert init.settle() == RUNNING
    init.become("/bin/sleep", "100")
    row = recorded.one(init, "exec", 0)
    assert (row["verdict"], row["target_comm"], row["is_init"]) == ("executed", "sleep", True)
    for number in (TERM, HUP):
        member.kill(init, number)
    assert init.alive()
    assert recorded.verdicts(init, TERM) == HANDLED + DROPPED
    assert recorded.verdicts(init, HUP) == [("generate", "ignored")]


# Who and where ---------------------------------------------------------------------------------------


def test_three_namespaces_deep_only_an_ancestor_can_kill_the_innermost_init(
    recorded: EventLog, stage: Stage, namespace: Namespace
) -> None:
    middle = namespace.init.namespace()
    inner = middle.init.namespace()
    init, inside = inner.init, inner.member()
    senders = [stage.outside, namespace.member(), middle.member(), inside]
    for sender in senders:
        sender.kill(init, TERM)
    inside.kill(init, KILL)
    assert init.settle() == RUNNING
    rows = recorded.rows(init, stage="generate", signal=TERM)
    assert [row["verdict"] for row in rows] == ["dropped_at_generate"] * 4
    assert [row["relation"] for row in rows] == ["ancestor", "ancestor", "ancestor", "same"]
    assert [row["sender_pid"] for row in rows] == [sender.pid for sender in senders]
    homes = [int(os.stat(f"/proc/{sender.pid}/ns/pid").st_ino) for sender in senders]
    assert [row["sender_nsid"] for row in rows] == homes
    depth = len(stage.outside.status("NSpid").split()) - 1
    assert {(row["nsid"], row["ns_level"], row["target_ns_pid"]) for row in rows} == {
        (inner.inode, depth + 3, 1)
    }
    assert recorded.verdicts(init, KILL) == DROPPED
    middle.init.kill(init, KILL)
    assert init.settle() == Fate("killed", KILL)


def test_the_relation_of_sender_to_target_is_recorded(
    recorded: EventLog, stage: Stage, init: Actor, member: Actor
) -> None:
    for sender, relation in ((member, "same"), (stage.outside, "ancestor"), (init, "self")):
        sender.kill(init, HUP)
        assert recorded.rows(init, stage="generate", signal=HUP)[-1]["relation"] == relation
    assert init.settle() == RUNNING


def test_a_process_of_a_namespace_below_or_beside_cannot_signal_the_init(
    recorded: EventLog, stage: Stage, namespace: Namespace, init: Actor
) -> None:
    nested, sibling = init.namespace(), recorded.watch(stage.namespace())
    for stranger in (nested.member(), sibling.member()):
        with pytest.raises(ProcessLookupError):
            stranger.kill(init, TERM)
        with pytest.raises(ProcessLookupError):
            stranger(f"kill({init.pid}, {TERM})")  # the number it has outside
    assert recorded.rows(init, signal=TERM) == []


def test_a_pidfd_brought_from_outside_does_not_help_either(
    recorded: EventLog, stage: Stage, init: Actor
) -> None:
    holder = stage.actor()
    holder(f"fd = os.pidfd_open({init.pid})")
    stranger = holder.namespace().member()  # inherits fd
    with pytest.raises(OSError, match="Invalid argument"):
        stranger(f"signal.pidfd_send_signal(fd, {TERM})")
    assert recorded.rows(init, signal=TERM) == []


def test_the_parent_of_a_sender_that_is_gone_at_once_is_recorded(
    recorded: EventLog, stage: Stage, init: Actor
) -> None:
    runtime = stage.actor()
    runtime("name('runtime')")
    sender = runtime.fork()
    sender("name('short-lived')")
    sender.channel.request(f"kill({init.pid}, {TERM}); os._exit(0)")
    assert sender.fate() == Fate("exited", 0)
    row = recorded.one(init, "generate", TERM)
    assert (row["sender_comm"], row["sender_pid"]) == ("short-lived", sender.pid)
    assert (row["sender_parent_comm"], row["sender_parent_pid"]) == ("runtime", runtime.pid)


def test_a_reused_pid_is_told_apart_by_its_start_time(
    recorded: EventLog, namespace: Namespace, init: Actor
) -> None:
    last = "/proc/sys/kernel/ns_last_pid"
    require(os.path.exists(last), "kernel", "this kernel has no checkpoint/restore (ns_last_pid)")
    wanted, seen = 77, []
    for _ in range(2):
        # The file is that of the writer's own PID namespace, the test's, not the host's.
        init(f"open({last!r}, 'w').write({str(wanted - 1)!r}) and None")
        target = namespace.member()
        assert target.own_pid == wanted
        begun = target.start_ticks()
        init.kill(target, TERM)
        assert target.fate() == Fate("killed", TERM)
        row = recorded.one(target, "generate", TERM)
        assert row["target_start"] // (10**9 // os.sysconf("SC_CLK_TCK")) == begun
        seen.append((row["target_ns_pid"], row["target_start"]))
        target.dismiss()
    (first_pid, first_start), (second_pid, second_start) = seen
    assert first_pid == second_pid == wanted
    assert first_start < second_start


def test_a_reused_namespace_inode_is_told_apart_by_the_start_of_its_init(
    stage: Stage, recorded: EventLog
) -> None:
    lives: dict[int, set[int]] = {}
    for _ in range(50):
        namespace = recorded.watch(stage.namespace())
        stage.outside.kill(namespace.init, TERM)
        record = recorded.records(namespace.init, signal=TERM)
        lives.setdefault(namespace.inode, set()).add(int(record["ns_start"][0]))
        if len(lives[namespace.inode]) == 2:
            break
        for actor in (namespace.init, namespace.holder):
            actor.dismiss()
    assert max(len(starts) for starts in lives.values()) == 2, (
        "the kernel has not reused an inode in 50 namespaces"
    )


def test_a_process_that_is_gone_is_an_error_and_no_hang(init: Actor) -> None:
    init.end()
    with pytest.raises(ActorGone):
        init("getpid()")
