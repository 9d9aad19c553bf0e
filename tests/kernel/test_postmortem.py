"""Healthy stops give no finding; what lies with others than the init is diagnosed as itself and as nothing else."""

from __future__ import annotations

import os
import signal

import pytest

from sigtrace.lab.actor import Actor, Fate, Namespace
from sigtrace.lab.channel import wait_until
from sigtrace.lab.stage import Stage
from tests.conftest import require
from tests.kernel.investigation import Investigation, has_child, kill

pytestmark = pytest.mark.kernel

KILL, TERM = 9, 15
RTMIN = 34


@pytest.fixture
def namespace(stage: Stage, observed: Investigation) -> Namespace:
    return observed.watch(stage.namespace())


def test_a_healthy_stop_gives_no_finding(stage: Stage, observed: Investigation, init: Actor) -> None:
    init.set("handler", TERM)
    observed.snapshot()
    stage.outside.kill(init, TERM)
    wait_until(lambda: init.caught() == [TERM], "the handler to run")
    init.channel.request("os._exit(0)")
    assert init.fate() == Fate("exited", 0)
    observed.snapshot("exited")
    assert observed.causes() == []


def test_a_healthy_stop_with_members_gives_no_finding(
    stage: Stage, observed: Investigation, namespace: Namespace, init: Actor
) -> None:
    members = [namespace.member() for _ in range(3)]
    init.set("handler", TERM)
    stage.outside.kill(init, TERM)
    wait_until(lambda: init.caught() == [TERM], "the handler to run")
    init.channel.request("os._exit(0)")
    assert init.fate() == Fate("exited", 0)
    assert not any(member.alive() for member in members)
    observed.snapshot("exited")
    observed.snapshot("exited")
    assert observed.causes() == []


def test_a_kill_that_is_obeyed_gives_no_finding(stage: Stage, observed: Investigation, init: Actor) -> None:
    kill(stage, init)
    observed.snapshot("killed")
    assert observed.causes() == []


def test_tini_with_a_child_that_obeys_gives_no_finding(
    stage: Stage, observed: Investigation, init: Actor
) -> None:
    require(os.path.exists("/usr/bin/tini"), "tini", "tini is not installed")
    init.become("/usr/bin/tini", "--", "sleep", "50")
    wait_until(lambda: has_child(init.pid, "sleep"), "tini to have its child")
    observed.snapshot()
    stage.outside.kill(init, TERM)
    assert init.fate() == Fate("exited", 128 + TERM)
    assert observed.causes() == []


def test_not_an_init(stage: Stage, observed: Investigation, namespace: Namespace) -> None:
    member = namespace.member()
    member.set("handler", TERM)
    stage.outside.kill(member, TERM)
    wait_until(lambda: member.caught() == [TERM], "the handler to run")
    observed.snapshot()
    signal.sigtimedwait([], 0.3)  # the grace period
    stage.outside.kill(member, KILL)
    member.fate()
    assert observed.causes() == ["not-an-init"]


def test_a_member_that_obeys_gives_no_such_finding(
    stage: Stage, observed: Investigation, namespace: Namespace
) -> None:
    member = namespace.member()
    stage.outside.kill(member, TERM)
    assert member.fate() == Fate("killed", TERM)
    assert observed.causes() == []


def test_nested_init(observed: Investigation, namespace: Namespace) -> None:
    member = namespace.member()
    inner = member.namespace()
    member.kill(inner.init, TERM)
    observed.snapshot()
    member.kill(inner.init, KILL)
    inner.init.fate()
    assert observed.causes() == ["nested-init"]


def test_kill_all_skips_init(observed: Investigation, namespace: Namespace) -> None:
    member, *others = (namespace.member() for _ in range(3))
    observed.snapshot()
    member(f"kill(-1, {KILL})")
    assert [other.fate() for other in others] == [Fate("killed", KILL)] * 2
    observed.snapshot()
    assert observed.causes() == ["kill-all-skips-init"]


def test_nobody_signalled(observed: Investigation) -> None:
    observed.snapshot()
    assert observed.causes() == ["nobody-signalled"]


@pytest.fixture(autouse=True)
def blank(namespace: Namespace) -> None:
    """Every test watches a namespace of its own, from before it does anything."""


def test_queue_overflow(observed: Investigation, namespace: Namespace, init: Actor) -> None:
    member = namespace.member()
    member("os.setuid(1234567)")
    member("resource.setrlimit(resource.RLIMIT_SIGPENDING, (1, 1))")
    member.set("handler", RTMIN)
    member(f"block({RTMIN})")
    init(f"sigqueue({member.own_pid}, {RTMIN})")
    with pytest.raises(BlockingIOError):
        init(f"sigqueue({member.own_pid}, {RTMIN})")
    observed.snapshot()
    assert observed.causes() == ["queue-overflow"]
