"""The verdict of a scan on one namespace, and the reason."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sigtrace.containers.stop_signal import StopRequest, stop_request
from sigtrace.events.container import Container
from sigtrace.predict.scan_row import Init, row
from sigtrace.procfs.remaining import Remaining
from sigtrace.procfs.signal_target import Relative, Target, Thread
from sigtrace.signals import mask
from tests.builders.scan_rows import (
    ENDING,
    FINE,
    NOW,
    OWN,
    PLAIN,
    TERM,
    WAITS,
    WEB,
    A,
    forwarding,
    init,
    judged,
    namespace,
)


def said(target: Target, left: tuple[Remaining, ...] = ()) -> tuple[str, str]:
    found = row(namespace(A, 1, OWN, target.pid), Init(target, left), StopRequest(), NOW)
    return found.verdict, found.why


def test_a_containers_own_stop_signal_is_judged_and_said() -> None:
    quits = init(7, "nginx", 1, caught=mask([3]))
    own = judged((PLAIN, quits), WEB)
    assert (own.verdict, own.why) == (
        "stops at once",
        "if its handler for SIGQUIT ends it; SIGQUIT is its own stop signal",
    )
    assert own.request == StopRequest(3, "container", WEB)
    told = judged((PLAIN, quits), WEB, chosen=TERM)
    assert (told.verdict, told.why) == (
        "waits for KILL",
        "no handler for SIGTERM, so the kernel drops it (it does take SIGQUIT)",
    )
    assert (told.request.signal, told.request.source) == (TERM, "option")
    halted = judged((PLAIN, WAITS), replace(WEB, stop_signal="37"))
    assert (
        halted.why == "no handler for SIGRTMIN+3, so the kernel drops it; SIGRTMIN+3 is its own stop signal"
    )
    assert halted.words[37] == "drop"


def test_what_is_nested_in_a_container_is_not_judged_by_its_stop_signal() -> None:
    nested = judged((PLAIN, FINE), WEB, nested=True)
    assert (nested.verdict, nested.why) == ("stops at once", "if its handler for SIGTERM ends it")
    assert nested.as_dict()["container_name"] == "web-1"
    assert (nested.request.source, nested.as_dict()["container_nested"]) == ("default", True)


@pytest.mark.parametrize("text", ["SIGNONE", "", "65", "\x1b[2J", "SIGQUIT; reboot"])
def test_a_stop_signal_that_is_none_counts_as_unknown(text: str) -> None:
    known = replace(WEB, stop_signal=text)
    assert judged((PLAIN, FINE), known).request == StopRequest(TERM, "unknown", known)


@pytest.mark.parametrize(
    ("target", "why"),
    [
        (WAITS, "waits for KILL: no handler for SIGTERM, so the kernel drops it"),
        (FINE, "stops at once: if its handler for SIGTERM ends it"),
    ],
)
def test_a_container_whose_stop_signal_was_not_read_is_not_judged_by_another(
    target: Target, why: str
) -> None:
    unread = replace(WEB, name="", image="", stop_signal="")
    found = judged((PLAIN, target), unread)
    assert (found.verdict, found.why) == (
        "can't be told",
        f"its stop signal is not known; if that is SIGTERM, it {why}",
    )
    assert judged((PLAIN, target), unread, chosen=TERM).verdict != "can't be told"
    assert judged((PLAIN, target), unread, nested=True).verdict != "can't be told"
    assert judged((PLAIN, ENDING), unread).verdict == ""


@pytest.mark.parametrize(
    ("container", "source"),
    [
        (Container("web-1", "web-1", "runc"), "default"),  # a bundle need not have one
        (Container("web-1", "web-1", "lxc", stop_signal="SIGPWR"), "container"),
        (
            Container("ab" * 32, "app", "containerd", "web:1", "till", "shop"),
            "unknown",
        ),  # its database was not read
        (Container("ab" * 32, "POD", "containerd", "", "till", "shop"), "default"),  # a sandbox is killed
        (Container("ab" * 32), "unknown"),  # whose it is is not known
        (Container("", "claims to be web-1", claims="web-1"), "default"),
    ],
)
def test_what_is_not_known_depends_on_what_the_runtime_keeps(container: Container, source: str) -> None:
    assert stop_request(container).source == source


def test_a_shell_with_a_foreground_command_is_not_said_to_stop() -> None:
    waiting = "the shell most likely runs its trap only when its foreground command sleep[8] has ended"
    assert said(init(7, "bash", 1, caught=mask([TERM]), shell="bash", children=(Relative(8, "sleep"),))) == (
        "can't be told",
        waiting,
    )
    assert said(init(7, "bash", 1, caught=mask([TERM])))[0] == "stops at once"
    assert (
        "it does take"
        not in said(init(7, "bash", 1, caught=mask([2]), shell="bash", children=(Relative(8, "sleep"),)))[1]
    )


def test_a_signalfd_is_a_condition_and_one_that_was_not_read_is_no_stop() -> None:
    facts = {"blocked": mask([TERM]), "signalfd": mask([TERM])}
    assert said(init(7, "app", 1, **facts)) == (
        "stops at once",
        "if it reads its signalfd and ends (it blocks SIGTERM and has a signalfd for it)",
    )
    assert said(init(7, "app", 1, **facts, shared_pending=mask([TERM]))) == (
        "can't be told",
        "it has not read its signalfd yet, where a SIGTERM is pending already",
    )


def test_an_init_that_passes_the_signal_on_is_judged_by_its_child() -> None:
    deaf = Target(8, "app", (Thread(8),), ignored=mask([TERM]), ns_pid=2, level=1)
    found = row(PLAIN, forwarding(deaf), StopRequest(), NOW)
    assert (found.verdict, found.why) == ("waits for KILL", "it passes SIGTERM to app[8], which ignores it")
    assert found.as_dict()["passed_to"] == [
        {
            "pid": 8,
            "comm": "app",
            "by_pid": 7,
            "signal": "SIGTERM",
            "sure": True,
            "word": "ignore",
            "outcome": "ignored: the program asked for that",
        }
    ]
    listens = replace(deaf, ignored=0, caught=mask([TERM]))
    found = row(PLAIN, forwarding(listens), StopRequest(), NOW)
    assert (found.verdict, found.why) == (
        "stops at once",
        "if app[8] ends: it is passed SIGTERM, and has a handler for it",
    )


def test_zombies_that_an_init_does_not_reap_are_said() -> None:
    target = init(7, "app", 1, caught=mask([TERM]))
    found = row(PLAIN, Init(target, zombies=8), StopRequest(), NOW)
    assert (
        found.why
        == "if its handler for SIGTERM ends it; 8 of its children are zombies: it does not reap them"
    )
    assert found.as_dict()["zombies"] == 8
    assert "zombies" not in row(PLAIN, Init(target, zombies=4), StopRequest(), NOW).why


def test_a_blocked_signal_with_a_handler_may_be_taken_any_moment() -> None:
    assert said(init(7, "app", 1, caught=mask([TERM]), blocked=mask([TERM]))) == (
        "can't be told",
        "it blocks SIGTERM now, and runs its handler for it once that is unblocked",
    )


def test_an_ended_init_is_said_to_wait_for_what_remains() -> None:
    target = replace(init(7, "app", 1), threads=(Thread(7, exiting=True),))
    left = (
        Remaining(8, "app", "Z", 99, "holder.py"),
        Remaining(9, "nfs", "D"),
        Remaining(10, "box", "D", frozen="v1"),
        Remaining(11, "app", "Z", 99, "holder.py", tracer_pid=98),
    )
    waits = "ending already: its init has exited, and waits for "
    assert said(target) == ("", waits + "all other processes of the namespace to be reaped")
    assert said(target, left) == (
        "",
        waits
        + "PID 8, a zombie of holder.py[99] outside the namespace; PID 9 (nfs), in uninterruptible sleep; "
        "PID 10 (box), frozen by cgroup v1; and for 1 more",
    )
    assert str(left[3]) == "PID 11, a zombie that its tracer, PID 98, has not waited for"


def test_killed_but_frozen_is_said_to_end_once_thawed() -> None:
    held = replace(init(7, "app", 1, frozen="v1"), threads=(Thread(7, "D", pending=mask([9])),))
    assert said(held) == ("", "killed already: it ends once thawed (cgroup v1)")
    assert said(replace(held, frozen="")) == (
        "",
        "killed already: it ends when its uninterruptible sleep does",
    )
