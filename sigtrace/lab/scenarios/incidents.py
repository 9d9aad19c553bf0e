"""The incidents that the notebooks start with; each is recorded into a directory, in seconds."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from sigtrace.lab.actor import Namespace
from sigtrace.lab.scenarios.host import ContainerHost, container_host, leave

_ENDS_ON_TERM = 'trap "exit 0" TERM; sleep 1000 & wait'


@dataclass(frozen=True)
class Image:
    """The image of a container of the fleet."""

    name: str
    script: str
    handler: bool = False
    """Whether the script has a handler for SIGTERM by the time it counts as started."""


FLEET: Mapping[str, Image] = MappingProxyType(
    {
        "web-old": Image("shop/web:2.1", "sleep 1000; exit 0"),
        "web": Image("shop/web:2.2", _ENDS_ON_TERM, handler=True),
        "worker": Image("shop/worker:1.4", "sleep 1000"),
        "cache": Image("shop/cache:7.0", _ENDS_ON_TERM, handler=True),
        "queue": Image("shop/queue:3.1", 'trap "sleep 0.4; exit 0" TERM; sleep 1000 & wait', handler=True),
        "cron": Image("shop/cron:1.0", "sleep 1000"),
        "api": Image("shop/api:5.2", f"sleep 0.5; {_ENDS_ON_TERM}"),
    }
)
"""web:2.1 runs below a shell without a handler, 2.2 handles SIGTERM; worker and cron have no handler; queue takes a
while to end; api has no handler until it has started up."""

HOSTS: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "host-a": {"web-old": 5, "worker": 3, "cache": 2, "queue": 2, "cron": 1, "api": 2},
        "host-b": {"web": 5, "worker": 3, "cache": 2, "queue": 2, "cron": 1, "api": 2},
    }
)
"""The number of containers per host and image: the hosts differ in the version of web."""


def stop(directory: Path, grace: float = 3.0, host: str = "") -> None:
    """Stop two containers, one after the other: one without a handler for SIGTERM, one with.

    Raises CannotTrace, StageFailed or OSError if that is not possible here; so do the other incidents.
    """
    with container_host(directory, ["without-handler", "with-handler"], host) as stage:
        for name, script, catches in (
            ("without-handler", "sleep 1000", ()),
            ("with-handler", 'trap "sleep 0.3; exit 0" TERM; sleep 1000 & wait', (signal.SIGTERM,)),
        ):
            stage.stop(grace, stage.start(name, "demo:1", script, catches))


def incident(directory: Path, grace: float = 3.0, host: str = "") -> None:
    """Stop web-1, which does not end; `kill -9 1` inside has no effect; SIGKILL from outside ends it.

    Then stop web-2, with the fixed image.
    """
    with container_host(directory, ["web-1", "web-2"], host, everything=True) as stage:
        web = stage.start("web-1", "shop/web:2.1", FLEET["web-old"].script)
        stage.send(web, signal.SIGTERM)
        time.sleep(grace * 0.4)
        operator = stage.enter(web, "operator")
        operator(f"kill(1, {signal.SIGKILL:d})")
        leave(operator)
        time.sleep(grace * 0.6)
        stage.stop(0, web, ask=False)
        stage.stop(grace, stage.start("web-2", "shop/web:2.2", FLEET["web"].script, (signal.SIGTERM,)))


def fleet(directory: Path, grace: float = 2.0, hosts: Mapping[str, Mapping[str, int]] = HOSTS) -> None:
    """Run a deploy on each host, which stops everything but the caches; one directory per host.

    Before that, logrotate in the cron container sends SIGHUP to PID 1 ten times, and an earlier deploy was cancelled:
    an api gets SIGTERM while it is starting up.
    """
    for host, containers in hosts.items():
        names = {
            f"{kind.partition('-')[0]}-{n + 1}": kind
            for kind, count in containers.items()
            for n in range(count)
        }
        with container_host(directory / host, list(names), host) as stage:
            started = {name: _start(stage, name, kind) for name, kind in names.items()}
            time.sleep(grace / 10)
            _before(stage, started)
            time.sleep(grace / 10)
            stopped = [namespace for name, namespace in started.items() if names[name] != "cache"]
            stage.stop(grace, *stopped)


def _start(stage: ContainerHost, name: str, kind: str) -> Namespace:
    image = FLEET[kind]
    namespace = stage.start(name, image.name, image.script, (signal.SIGTERM,) if image.handler else ())
    if kind == "api":
        stage.send(namespace, signal.SIGTERM)
    return namespace


def _before(stage: ContainerHost, started: Mapping[str, Namespace]) -> None:
    """Send the signals before the deploy."""
    visitors = [stage.enter(each, "logrotate") for name, each in started.items() if name.startswith("cron")]
    for _ in range(10):
        for visitor in visitors:
            visitor(f"kill(1, {signal.SIGHUP:d})")
        time.sleep(0.1)
    for visitor in visitors:
        leave(visitor)
