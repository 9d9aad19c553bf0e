"""The word that is typed for one container."""

from __future__ import annotations

from sigtrace.containers.called import called
from sigtrace.events.container import Container

WEB = Container("ab" * 32, "web-1", "docker")
POD = Container("cd" * 32, "app", "containerd", pod="till", pod_namespace="shop")
OTHER_POD = Container("ef" * 32, "app", "containerd", pod="till-2", pod_namespace="shop")


def test_the_name_is_enough_where_no_other_container_has_it() -> None:
    assert called(WEB, [WEB, POD]) == "web-1"
    assert called(POD, [WEB, POD]) == "app"


def test_of_two_with_the_same_name_the_pod_or_the_id_tells() -> None:
    assert called(POD, [POD, OTHER_POD]) == "shop/till/app"
    podmans = Container("12" * 32, "web-1", "podman")
    assert called(podmans, [WEB, podmans]) == "12" * 6


def test_a_name_that_is_the_beginning_of_another_ones_id_is_still_the_name() -> None:
    assert (
        called(Container("12" * 32, "ababab", "docker"), [WEB, Container("12" * 32, "ababab", "docker")])
        == "ababab"
    )


def test_what_a_shell_would_not_leave_as_it_is_is_never_typed() -> None:
    for name in ("$(reboot)", "a b", "web-*", "--all", "x;y", "\x1b[2J", "", "日本"):
        assert called(Container("12" * 32, name), [WEB, Container("12" * 32, name)]) == "12" * 6
    hostile = Container("a b", "a b")
    assert called(hostile, [hostile]) == ""
