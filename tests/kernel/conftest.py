"""Fixtures of the kernel tests: real processes to signal, and a recording of what the kernel does to them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sigtrace.lab.actor import Actor, Namespace
from sigtrace.lab.stage import Stage
from tests.kernel.investigation import Investigation, investigation
from tests.kernel.masks import init_is_spared
from tests.kernel.recording import EventLog, event_log


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Stage() as opened:
        yield opened


@pytest.fixture
def namespace(stage: Stage) -> Namespace:
    return stage.namespace()


@pytest.fixture
def init(namespace: Namespace) -> Actor:
    return namespace.init


@pytest.fixture
def member(namespace: Namespace) -> Actor:
    return namespace.member()


@pytest.fixture
def house(stage: Stage) -> Namespace:
    """A namespace to make others in: what follows its descendants sees these from their birth, and nobody else's."""
    return stage.namespace()


@pytest.fixture(scope="module")
def module_log() -> Iterator[EventLog]:
    with event_log() as opened:
        yield opened


@pytest.fixture
def recorded(module_log: EventLog) -> EventLog:
    """A blank recording, of the namespaces that the test has it `watch`."""
    module_log.reset()
    return module_log


@pytest.fixture
def spares_init() -> bool:
    """Whether this kernel drops, at delivery, a fatal signal that some threads of an init block, and some not."""
    return init_is_spared()


@pytest.fixture(scope="module")
def observed() -> Iterator[Investigation]:
    """An investigation, of the namespaces that the test has it `watch`."""
    with investigation() as opened:
        yield opened
