"""The rules of kernel/signal.c, case by case, on facts that were made up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sigtrace.errors import BadInput
from sigtrace.events.verdict import VERDICTS
from sigtrace.predict.kernel_rules import Target, Thread, predict
from sigtrace.signals import mask

HUP, INT, QUIT, KILL, TERM, CHLD, CONT, STOP, TSTP, RTMIN = 1, 2, 3, 9, 15, 17, 18, 19, 20, 34
MEMBER = Target(pid=7, ns_pid=7, threads=(Thread(7),), orphaned_group=False)
INIT = Target(pid=7, ns_pid=1, level=1, threads=(Thread(7),), unkillable=True)
GLOBAL_INIT = Target(pid=1, ns_pid=1, threads=(Thread(1),), unkillable=True, global_init=True)


def with_thread(target: Target, *threads: Thread) -> Target:
    return replace(target, threads=threads)


# Init protection at generation -----------------------------------------------------------------------


@pytest.mark.parametrize("relation", ["same", "ancestor", "kernel", "self"])
def test_sigterm_to_an_init_without_a_handler_is_dropped_whoever_sends_it(relation: str) -> None:
    said = predict(INIT, TERM, relation)
    assert (said.generate, said.deliver, said.effect, said.dropped) == (
        "dropped_at_generate",
        None,
        "none",
        True,
    )
    assert said.certain


@pytest.mark.parametrize("number", [KILL, STOP])
def test_kill_and_stop_reach_an_init_only_from_above(number: int) -> None:
    assert predict(INIT, number, "same").generate == "dropped_at_generate"
    assert predict(INIT, number, "self").generate == "dropped_at_generate"
    assert predict(INIT, number, "ancestor").effect == {KILL: "terminate", STOP: "stop"}[number]
    assert predict(INIT, number, "kernel").effect == {KILL: "terminate", STOP: "stop"}[number]


@pytest.mark.parametrize("relation", ["same", "kernel"])
@pytest.mark.parametrize("number", [KILL, STOP, TERM])
def test_nobody_can_kill_or_stop_the_global_init(number: int, relation: str) -> None:
    assert predict(GLOBAL_INIT, number, relation).generate == "dropped_at_generate"


def test_a_handler_gets_the_signal_to_an_init() -> None:
    said = predict(replace(INIT, caught=mask([TERM])), TERM, "same")
    assert (said.generate, said.deliver, said.deliver_signal, said.effect) == (
        "queued",
        "handled",
        TERM,
        "handler",
    )


def test_what_is_ignored_anyway_is_no_drop() -> None:
    assert predict(INIT, CHLD, "same").generate == "default_ignored"
    assert predict(replace(INIT, ignored=mask([TERM])), TERM, "same").generate == "ignored"
    assert predict(MEMBER, CHLD, "same").generate == "default_ignored"
    assert predict(replace(MEMBER, ignored=mask([TERM])), TERM, "same").generate == "ignored"


# Members ---------------------------------------------------------------------------------------------


def test_a_fatal_signal_ends_a_member_and_is_delivered_as_a_sigkill() -> None:
    said = predict(MEMBER, TERM, "same")
    assert (said.generate, said.deliver, said.deliver_signal, said.effect) == (
        "queued",
        "default_action",
        KILL,
        "terminate",
    )


def test_a_signal_that_dumps_core_is_delivered_under_its_own_number() -> None:
    said = predict(MEMBER, QUIT, "same")
    assert (said.deliver, said.deliver_signal, said.effect) == ("default_action", QUIT, "core")


@pytest.mark.parametrize(
    ("orphaned", "effect", "certain"), [(False, "stop", True), (True, "none", True), (None, "stop", False)]
)
def test_a_terminal_stop_does_nothing_in_an_orphaned_process_group(
    orphaned: bool | None, effect: str, certain: bool
) -> None:
    said = predict(replace(MEMBER, orphaned_group=orphaned), TSTP, "same")
    assert (said.effect, said.certain, said.deliver) == (effect, certain, "default_action")
    assert predict(replace(MEMBER, orphaned_group=orphaned), STOP, "same").effect == "stop"


@pytest.mark.parametrize("relation", ["descendant", "other"])
def test_a_sender_that_cannot_name_the_target_gets_esrch(relation: str) -> None:
    said = predict(MEMBER, KILL, relation)
    assert (said.generate, said.deliver, said.effect) == (None, None, "none")
    assert "ESRCH" in said.reason


# Blocked ---------------------------------------------------------------------------------------------


def test_a_blocked_signal_is_not_dropped_but_will_be_when_an_init_unblocks_it() -> None:
    said = predict(with_thread(INIT, Thread(7, blocked=mask([TERM]))), TERM, "ancestor")
    assert (said.generate, said.effect, said.dropped, said.waits_for) == (
        "queued",
        "pending",
        False,
        "unblocking",
    )
    assert said.afterwards is not None
    assert said.afterwards.verdict == "dropped_at_deliver"


def test_a_blocked_signal_that_is_ignored_is_queued_all_the_same() -> None:
    target = replace(with_thread(MEMBER, Thread(7, blocked=mask([TERM]))), ignored=mask([TERM]))
    said = predict(target, TERM, "same")
    assert (said.generate, said.effect) == ("queued", "pending")
    assert said.afterwards is not None
    assert said.afterwards.verdict == "ignored"


def test_sigkill_cannot_be_blocked_by_a_mask_that_says_so() -> None:
    everything = Thread(7, blocked=mask(set(range(1, 65)) - {KILL, STOP}))
    assert predict(with_thread(INIT, everything), KILL, "ancestor").effect == "terminate"


def test_a_pending_standard_signal_swallows_the_next_but_a_real_time_one_queues_up() -> None:
    blocked = Thread(7, blocked=mask([TERM, RTMIN]))
    target = replace(with_thread(INIT, blocked), shared_pending=mask([TERM, RTMIN]))
    assert predict(target, TERM, "ancestor").generate == "coalesced"
    assert predict(target, TERM, "ancestor").effect == "pending"
    assert predict(target, RTMIN, "ancestor").generate == "queued"


def test_a_full_queue_refuses_sigqueue_but_never_kill() -> None:
    full = replace(with_thread(MEMBER, Thread(7, blocked=mask([RTMIN]))), queue_used=5, queue_limit=5)
    assert predict(full, RTMIN, "same", "sigqueue").generate == "overflowed"
    assert predict(full, RTMIN, "same").generate == "queued"
    assert predict(full, TERM, "same", "sigqueue").generate == "queued"


# Taken without delivery ------------------------------------------------------------------------------


def test_a_thread_in_sigtimedwait_takes_the_signal_although_no_mask_shows_it() -> None:
    tini = with_thread(INIT, Thread(7, awaited=mask([TERM])))
    said = predict(tini, TERM, "ancestor")
    assert (said.generate, said.deliver, said.effect, said.certain) == ("queued", None, "taken", True)
    assert predict(tini, INT, "ancestor").dropped


def test_an_unreadable_sigtimedwait_leaves_a_drop_uncertain_but_not_sigkill() -> None:
    unseen = with_thread(INIT, Thread(7, awaited=None))
    assert not predict(unseen, TERM, "ancestor").certain
    assert not predict(with_thread(MEMBER, Thread(7, awaited=None)), TERM, "same").certain
    assert predict(unseen, KILL, "ancestor").certain
    assert predict(unseen, KILL, "same").certain


def test_a_signalfd_takes_the_signal_only_while_it_is_blocked() -> None:
    systemd = replace(INIT, signalfd=mask([TERM]))
    assert predict(with_thread(systemd, Thread(7, blocked=mask([TERM]))), TERM, "ancestor").effect == "taken"
    assert predict(systemd, TERM, "ancestor").dropped


def test_an_unreadable_signalfd_leaves_a_blocked_signal_uncertain() -> None:
    unseen = replace(with_thread(INIT, Thread(7, blocked=mask([TERM]))), signalfd=None)
    assert not predict(unseen, TERM, "ancestor").certain
    assert predict(replace(INIT, signalfd=None), TERM, "ancestor").certain


# Threads ---------------------------------------------------------------------------------------------


def test_a_thread_that_does_not_block_the_signal_runs_the_handler() -> None:
    threads = (Thread(7, blocked=mask([TERM])), Thread(8))
    assert (
        predict(replace(with_thread(INIT, *threads), caught=mask([TERM])), TERM, "same").effect == "handler"
    )


def test_a_fatal_signal_that_the_first_thread_blocks_and_another_does_not_kills_an_init() -> None:
    mixed = with_thread(INIT, Thread(7, blocked=mask([TERM, QUIT])), Thread(8))
    assert predict(mixed, TERM, "same").effect == "terminate"
    assert (
        predict(mixed, QUIT, "same").deliver == "dropped_at_deliver"
    )  # a core dump goes through get_signal()


def test_it_is_the_thread_kill_was_given_whose_mask_counts() -> None:
    mixed = with_thread(INIT, Thread(7), Thread(8, blocked=mask([TERM])))
    assert predict(mixed, TERM, "same").dropped
    assert predict(replace(mixed, looked_up=8), TERM, "same").effect == "terminate"


def test_whether_masks_that_differ_end_an_init_depends_on_the_kernel_and_is_certain_once_known() -> None:
    mixed = with_thread(INIT, Thread(7, blocked=mask([TERM])), Thread(8))
    unknown, spares, ends = (
        predict(replace(mixed, spares_init=known), TERM, "same") for known in (None, True, False)
    )
    assert (unknown.effect, unknown.deliver, unknown.certain) == ("terminate", "default_action", False)
    assert "ends the init" in unknown.doubt
    assert "drop the signal at delivery" in unknown.doubt
    assert (spares.effect, spares.deliver, spares.certain) == ("none", "dropped_at_deliver", True)
    assert (spares.deliver_signal, spares.dropped) == (TERM, True)
    assert (ends.effect, ends.deliver, ends.certain) == ("terminate", "default_action", True)


@pytest.mark.parametrize("spares", [None, True, False])
def test_what_kernels_do_with_an_inits_masks_matters_to_nothing_else(spares: bool | None) -> None:
    two = (Thread(7, blocked=mask([TERM])), Thread(8))
    for target, number in (
        (INIT, TERM),
        (INIT, KILL),
        (with_thread(INIT, *two), KILL),
        (with_thread(MEMBER, *two), TERM),
        (with_thread(replace(INIT, caught=mask([TERM])), *two), TERM),
        (with_thread(INIT, Thread(7, blocked=mask([QUIT])), Thread(8)), QUIT),
        (with_thread(INIT, replace(two[0], tracer_pid=99), two[1]), TERM),
    ):
        said = predict(replace(target, spares_init=spares), number, "ancestor")
        assert said == predict(target, number, "ancestor")
        assert said.certain


def test_two_reasons_to_doubt_are_both_told() -> None:
    unseen = with_thread(INIT, Thread(7, blocked=mask([TERM])), Thread(8, awaited=None))
    traced = with_thread(INIT, Thread(7, blocked=mask([TERM])), Thread(8, tracer_pid=99))
    assert predict(unseen, TERM, "same").doubt.count("; ") == 1
    for target, words in ((unseen, "sigtimedwait(2)"), (traced, "traced by PID 99")):
        doubt = predict(target, TERM, "same").doubt
        assert "kernels differ" in doubt
        assert words in doubt
    known = predict(replace(unseen, spares_init=False), TERM, "same").doubt
    assert "kernels differ" not in known


def test_threads_that_would_act_differently_make_the_outcome_uncertain() -> None:
    threads = (Thread(7, blocked=mask([TERM])), Thread(8), Thread(9, awaited=mask([TERM])))
    said = predict(replace(with_thread(MEMBER, *threads), caught=mask([TERM])), TERM, "same")
    assert not said.certain
    assert "threads differ" in said.doubt


def test_a_process_whose_first_thread_has_ended_lives_on_in_the_others() -> None:
    target = replace(with_thread(MEMBER, Thread(7, "Z", exiting=True), Thread(8)), state="Z")
    assert predict(target, TERM, "same").effect == "terminate"


# Stopped, traced, frozen, asleep ---------------------------------------------------------------------


def test_a_stopped_process_acts_only_when_resumed() -> None:
    stopped = replace(with_thread(MEMBER, Thread(7, "T")), state="T")
    said = predict(stopped, TERM, "same")
    assert (said.effect, said.waits_for) == ("pending", "resuming")
    assert said.afterwards is not None
    assert said.afterwards.effect == "terminate"
    assert predict(stopped, KILL, "same").effect == "terminate"


def test_a_stopped_init_drops_at_once_all_the_same() -> None:
    stopped = replace(with_thread(INIT, Thread(7, "T")), state="T")
    assert predict(stopped, TERM, "ancestor").generate == "dropped_at_generate"


@pytest.mark.parametrize("target", [MEMBER, INIT], ids=["member", "init"])
def test_sigcont_resumes_a_stopped_process_even_when_it_is_discarded(target: Target) -> None:
    stopped = replace(target, state="T", threads=(Thread(7, "T"),))
    assert predict(stopped, CONT, "ancestor").generate == "resumes"
    assert predict(stopped, CONT, "ancestor").effect == "continue"
    assert predict(replace(stopped, ignored=mask([CONT])), CONT, "ancestor").effect == "continue"
    assert predict(replace(stopped, caught=mask([CONT])), CONT, "ancestor").effect == "handler"
    assert predict(target, CONT, "ancestor").effect == "none"


def test_a_second_stop_signal_is_forgotten_when_the_process_is_resumed() -> None:
    said = predict(replace(with_thread(MEMBER, Thread(7, "T")), state="T"), STOP, "same")
    assert said.effect == "pending"
    assert said.afterwards is not None
    assert said.afterwards.effect == "none"


def test_a_tracer_moves_the_drop_to_delivery_and_makes_it_uncertain() -> None:
    said = predict(with_thread(INIT, Thread(7, tracer_pid=99)), TERM, "same")
    assert (said.generate, said.deliver, said.certain) == ("queued", "dropped_at_deliver", False)
    assert "99" in said.doubt
    assert (
        predict(with_thread(INIT, Thread(7, tracer_pid=99)), KILL, "same").generate == "dropped_at_generate"
    )
    assert predict(with_thread(MEMBER, Thread(7, tracer_pid=99)), KILL, "same").certain


def test_a_thread_its_tracer_has_stopped_acts_when_the_tracer_lets_it() -> None:
    said = predict(with_thread(MEMBER, Thread(7, "t", tracer_pid=99)), TERM, "same")
    assert (said.effect, said.waits_for, said.certain) == ("pending", "resuming", True)


@pytest.mark.parametrize(
    ("frozen", "number", "effect"),
    [
        ("v1", TERM, "frozen"),
        ("v1", KILL, "frozen"),
        ("v2", TERM, "terminate"),
        ("v2", KILL, "terminate"),
        ("v2", QUIT, "frozen"),
        ("v2", STOP, "frozen"),
    ],
)
def test_only_the_freezer_of_cgroup_v2_lets_a_fatal_signal_through(
    frozen: str, number: int, effect: str
) -> None:
    assert predict(replace(MEMBER, frozen=frozen), number, "same").effect == effect


def test_a_frozen_init_drops_at_once_all_the_same_and_runs_handlers_after_the_thaw() -> None:
    assert predict(replace(INIT, frozen="v1"), TERM, "ancestor").generate == "dropped_at_generate"
    said = predict(replace(INIT, frozen="v2", caught=mask([TERM])), TERM, "ancestor")
    assert (said.effect, said.waits_for) == ("frozen", "thaw")
    assert said.afterwards is not None
    assert said.afterwards.effect == "handler"


def test_sigkill_to_a_process_in_uninterruptible_sleep_is_not_called_certain() -> None:
    said = predict(with_thread(MEMBER, Thread(7, "D")), KILL, "same")
    assert (said.effect, said.certain) == ("terminate", False)


# Those who are beyond signals ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        replace(MEMBER, state="Z", threads=(Thread(7, "Z", exiting=True),)),
        replace(MEMBER, threads=(Thread(7, exiting=True),)),
        replace(MEMBER, threads=(Thread(7, "D", pending=mask([KILL])),)),
    ],
    ids=["zombie", "exiting", "killed but frozen or asleep"],
)
def test_a_process_that_is_ending_takes_no_signal(target: Target) -> None:
    assert predict(target, KILL, "ancestor").generate == "dying"
    assert predict(target, TERM, "same").generate == "dying"


@pytest.mark.parametrize(
    ("frozen", "state", "words"),
    [
        ("v1", "D", "killed already: it ends once thawed (cgroup v1)"),
        ("", "D", "killed already: it ends when its uninterruptible sleep does"),
        ("", "R", "killed already"),
    ],
)
def test_what_was_killed_and_cannot_end_yet_is_said_so(frozen: str, state: str, words: str) -> None:
    killed = replace(with_thread(INIT, Thread(7, state, pending=mask([KILL]))), frozen=frozen)
    assert predict(killed, TERM, "ancestor").reason == words


def test_a_signal_may_be_given_by_its_name_and_must_be_one() -> None:
    assert predict(INIT, "TERM", "ancestor") == predict(INIT, TERM, "ancestor")
    for wrong in ("TREM", 0, 65, -1):
        with pytest.raises(BadInput, match="unknown signal"):
            predict(INIT, wrong, "ancestor")


def test_the_cause_of_a_doubt_is_named() -> None:
    unseen = with_thread(INIT, Thread(7, awaited=None))
    assert (
        "/proc/PID/syscall could not be read (it takes CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH)"
        in predict(unseen, TERM, "ancestor").doubt
    )
    hangs = with_thread(INIT, Thread(7, awaited=None), Thread(8, "D"))
    assert "uninterruptible sleep" in predict(hangs, TERM, "ancestor").doubt


def test_only_sigkill_reaches_a_process_that_dumps_core() -> None:
    dumping = replace(MEMBER, core_dumping=True)
    assert predict(dumping, TERM, "same").generate == "dying"
    assert predict(dumping, KILL, "same").effect == "terminate"


def test_kernel_threads_take_no_signals_unless_they_asked_for_them() -> None:
    thread = replace(MEMBER, kthread=True, ignored=(1 << 64) - 1)
    assert predict(thread, KILL, "same").generate == "kernel_thread"
    assert predict(thread, KILL, "same").certain
    asked = replace(thread, ignored=0, caught=mask([KILL]))
    assert not predict(asked, KILL, "same").certain


# Everything ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", range(1, 65))
def test_every_prediction_speaks_the_products_words_and_gives_a_reason(number: int) -> None:
    for target in (
        MEMBER,
        INIT,
        GLOBAL_INIT,
        replace(INIT, frozen="v1"),
        Target(pid=3, state="Z"),
        Target(pid=3),
    ):
        for relation in ("same", "ancestor", "descendant", "other", "kernel", "self"):
            said = predict(target, number, relation)
            assert said.generate is None or said.generate in VERDICTS
            assert said.deliver is None or said.deliver in VERDICTS
            assert said.reason
            assert said.certain == (not said.doubt)
