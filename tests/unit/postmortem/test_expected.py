"""To whom a request would be passed on, from snapshots made by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sigtrace.events.container import Container
from sigtrace.postmortem import diagnose
from sigtrace.postmortem.subject import judged
from tests.builders.cases import CAUGHT, case, causes, snapshot

TAKES = {"awaited": CAUGHT, "blocked": CAUGHT}
IGNORES = {"ignored": CAUGHT}
TINI = {"comm": "tini", "cmdline": "tini -- app", **TAKES}


def reached(*tasks: dict[str, Any]) -> list[str]:
    """The processes that are judged besides the init."""
    *others, init = judged(case([], snapshot(1, *tasks), live=True))
    assert init.subject is None
    return [each.subject.name for each in others if each.subject]


def test_the_child_that_it_waits_for_would_be_reached() -> None:
    assert reached(TINI, {}) == ["app[4243]"]
    orphan = {"start_ticks": 9}
    assert reached(TINI, orphan, {"start_ticks": 5}) == ["app[4244]"]
    svscan = {"comm": "s6-svscan", "cmdline": "s6-svscan /run/service", "signalfd": CAUGHT}
    assert reached(svscan, {}, {}) == ["app[4243]", "app[4244]"]


def test_of_a_container_whose_stop_signal_was_not_read_nothing_is_expected() -> None:
    unread = Container("ab" * 32, runtime="docker")
    its = [
        replace(case([], snapshot(1, TINI, IGNORES), live=True), container=each)
        for each in (unread, replace(unread, stop_signal="SIGTERM"))
    ]
    assert [len(judged(each)) for each in its] == [1, 2]


def test_one_step_after_another() -> None:
    supervise = {"comm": "s6-supervise", "cmdline": "s6-supervise web", "signalfd": CAUGHT}
    svscan = {"comm": "s6-svscan", "cmdline": "s6-svscan /run/service", "signalfd": CAUGHT}
    its = case([], snapshot(1, svscan, supervise, {"ppid": 4243}), live=True)
    (subject,) = [each.subject for each in judged(its) if each.subject]
    assert (*subject.path, subject.name) == ("s6-svscan[4242]", "s6-supervise[4243]", "app[4244]")


@pytest.mark.parametrize(
    "init",
    [
        {"comm": "app"},
        TINI | {"awaited": ""},
        TINI | {"state": "T"},
        TINI | {"frozen": "v2"},
        {"comm": "systemd", "cmdline": "/sbin/init", "signalfd": CAUGHT},
    ],
    ids=["not known", "does not wait", "stopped", "frozen", "does not end"],
)
def test_an_init_that_passes_nothing_on_reaches_nobody(init: dict[str, Any]) -> None:
    assert reached(init, {}) == []


def test_what_the_receiver_would_do_is_a_warning() -> None:
    assert causes([], snapshot(1, TINI, IGNORES), live=True) == ["ignored-by-program"]
    assert causes([], snapshot(1, TINI, {}), live=True) == []
    assert causes([], snapshot(1, TINI, {"state": "T"}), live=True) == ["stopped"]


def test_of_a_recording_in_which_nobody_asked_nothing_is_expected() -> None:
    assert causes([], snapshot(1, TINI, IGNORES), since=1, until=2) == ["nobody-signalled"]


def test_a_rewritten_signal_is_the_one_that_counts() -> None:
    dumb_init = {"comm": "dumb-init", "cmdline": "dumb-init -r 15:3 -- app", **TAKES}
    assert causes([], snapshot(1, dumb_init, IGNORES), live=True) == []
    assert causes([], snapshot(1, dumb_init, {"ignored": f"{1 << 2:016x}"}), live=True) == [
        "ignored-by-program"
    ]


SHELL = {"comm": "sh", "cmdline": "sh start.sh", "caught": CAUGHT}
BACKGROUND = {"wchan": "sigsuspend"}


def test_a_shell_may_pass_it_on_to_its_child_in_the_background() -> None:
    (finding,) = diagnose(case([], snapshot(1, SHELL | BACKGROUND, IGNORES), live=True)).findings
    assert (finding.cause, finding.severity) == ("ignored-by-program", "notice")
    assert "sh[4242] may pass a request on to it." in finding.summary
    assert causes([], snapshot(1, SHELL | BACKGROUND, {}), live=True) == []
    assert causes([], snapshot(1, SHELL | {"wchan": "do_wait"}, IGNORES), live=True) == ["shell-form"]


def test_behind_a_shell_nothing_is_sure() -> None:
    shell, app = SHELL | BACKGROUND, IGNORES | {"ppid": 4243}
    its = case([], snapshot(1, TINI, shell, app), live=True)
    (finding,) = diagnose(its).findings
    assert (finding.path, finding.severity) == (("tini[4242]", "sh[4243]", "app[4244]"), "notice")
