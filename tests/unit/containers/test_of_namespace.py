"""Whose a living namespace is: nested ones, and an init by its container's name. Names are made up."""

from __future__ import annotations

import pytest

from sigtrace.containers import of_namespace
from sigtrace.containers.of_namespace import NamespaceContainers, find_init
from sigtrace.containers.selector import ContainerSelector
from sigtrace.errors import BadInput
from sigtrace.events.container import Container
from sigtrace.procfs.namespaces import PidNamespace, Survey

WEB = Container("ab12" + "0" * 60, "web-1", "docker", "nginx:1.25")
DIND = Container("ef56" + "0" * 60, "web-1", "docker")
APP = Container("cd34" + "0" * 60, "app", "containerd", pod="checkout", pod_namespace="shop")
LOG = Container("cd35" + "0" * 60, "log", "containerd", pod="checkout", pod_namespace="shop")
PAUSE = Container("cd36" + "0" * 60, "POD", "containerd", pod="checkout", pod_namespace="shop")
ALONE = Container("aa37" + "0" * 60, "POD", "containerd", pod="shared", pod_namespace="shop")

HOST = PidNamespace(1000, 0, None, 1, 0)
A = PidNamespace(1001, 1, 1000, 11, 0)
INSIDE_A = PidNamespace(1002, 2, 1001, 12, 0)
BELOW_THAT = PidNamespace(1003, 3, 1002, 13, 0)
B = PidNamespace(1004, 1, 1000, 14, 0)
C = PidNamespace(1005, 1, 1000, 15, 0)
EMPTY = PidNamespace(1006, 1, 1000, None, None)
HIDDEN = PidNamespace(None, 1, None, 17, 0)
SEEN = Survey((HOST, A, INSIDE_A, BELOW_THAT, B, C, EMPTY, HIDDEN), 8, 0, False)


def homes(names: dict[int, Container]) -> NamespaceContainers:
    return NamespaceContainers(SEEN, namer=names.get)


def found(
    wanted: ContainerSelector, names: dict[int, Container], monkeypatch: pytest.MonkeyPatch
) -> tuple[int, Container]:
    monkeypatch.setattr(of_namespace, "survey", lambda root: SEEN)
    return find_init(wanted, namer=names.get)


def test_a_namespace_made_in_a_container_is_nested_and_one_of_another_container_is_not() -> None:
    known = homes({11: WEB, 12: WEB, 13: WEB, 14: APP})
    assert [known.nested(each) for each in (HOST, A, INSIDE_A, BELOW_THAT, B)] == [
        False,
        False,
        True,
        True,
        False,
    ]
    docker_in_docker = homes({11: WEB, 12: DIND, 13: DIND})
    assert [docker_in_docker.nested(each) for each in (A, INSIDE_A, BELOW_THAT)] == [False, False, True]


def test_it_is_nested_below_a_namespace_whose_own_container_cannot_be_told() -> None:
    assert homes({11: WEB, 13: WEB}).nested(BELOW_THAT)


def test_without_an_init_or_a_name_there_is_no_container() -> None:
    known = homes({17: WEB})
    assert [known.of(each) for each in (EMPTY, A, HIDDEN)] == [None, None, WEB]
    assert not known.nested(EMPTY)
    assert not known.nested(HIDDEN)


def test_each_process_is_looked_up_once() -> None:
    asked: list[int] = []
    known = NamespaceContainers(SEEN, namer=asked.append)  # type: ignore[func-returns-value]
    for _ in range(3):
        known.nested(BELOW_THAT)
        known.of(A)
    assert asked == [13, 11]


def test_the_init_of_a_container_is_its_own_not_that_of_what_is_nested(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = {11: WEB, 12: WEB, 13: WEB, 14: APP}
    assert found(ContainerSelector(("web-1",)), names, monkeypatch) == (11, WEB)
    assert found(ContainerSelector(("ab12",)), names, monkeypatch) == (11, WEB)
    assert found(ContainerSelector((), ("shop/checkout",)), names, monkeypatch) == (14, APP)


def test_a_pods_sandbox_is_meant_only_if_nothing_else_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(ContainerSelector((), ("shop/checkout",)), {11: PAUSE, 14: APP}, monkeypatch) == (14, APP)
    assert found(ContainerSelector((), ("shop/shared",)), {11: ALONE, 14: APP}, monkeypatch) == (11, ALONE)
    assert found(ContainerSelector(("POD",), ("shop/checkout",)), {11: PAUSE, 14: APP}, monkeypatch) == (
        11,
        PAUSE,
    )


def test_a_pod_with_several_containers_is_refused_with_a_list_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = {11: PAUSE, 14: APP, 15: LOG}
    with pytest.raises(BadInput) as refused:
        found(ContainerSelector((), ("shop/checkout",)), names, monkeypatch)
    assert str(refused.value) == (
        f"shop/checkout matches 2 containers: shop/checkout/app (PID 14, ID {APP.id[:12]}), "
        f"shop/checkout/log (PID 15, ID {LOG.id[:12]}); choose one with --container, by its name or ID"
    )
    assert found(ContainerSelector(("log",), ("shop/checkout",)), names, monkeypatch) == (15, LOG)


def test_a_name_that_nobody_has_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match="did you mean web-1"):
        found(ContainerSelector(("web",)), {11: WEB}, monkeypatch)
    with pytest.raises(BadInput, match="there is no container that sigtrace can name"):
        found(ContainerSelector(("web",)), {}, monkeypatch)
