"""Rows of a scan, of made-up namespaces and inits."""

from __future__ import annotations

from dataclasses import replace

from sigtrace.containers.stop_signal import stop_request
from sigtrace.events.container import Container
from sigtrace.predict.forwarders import known
from sigtrace.predict.kernel_rules import predict
from sigtrace.predict.passing import Step
from sigtrace.predict.scan_row import Init, ScanRow, row
from sigtrace.procfs import process
from sigtrace.procfs.namespaces import PidNamespace
from sigtrace.procfs.signal_target import Relative, Target, Thread
from sigtrace.signals import mask

OWN, A, B = 4026531836, 4026532249, 4026532250
NOW = 1_000_000.0
TERM = 15


def namespace(nsid: int | None, level: int, parent: int | None, init: int, tasks: int = 1) -> PidNamespace:
    return PidNamespace(nsid, level, parent, init, 0, tasks, tasks)


def init(pid: int, comm: str, age: float, **facts: object) -> Target:
    start = int((NOW - age) * process.TICKS_PER_SECOND)
    state = "T" if facts.pop("stopped", False) else "S"
    threads = (Thread(pid, state, int(facts.pop("blocked", 0)), awaited=facts.pop("awaited", 0)),)
    return Target(pid, comm, threads, unkillable=True, ns_pid=1, level=1, start_ticks=start, **facts)


def judged(
    pair: tuple[PidNamespace, Target],
    container: Container | None = None,
    nested: bool = False,
    chosen: int | None = None,
) -> ScanRow:
    return row(pair[0], Init(pair[1]), stop_request(container, nested, chosen), NOW)


HOST = (namespace(OWN, 0, None, 1, 312), init(1, "systemd", 400 * 86400, global_init=True, caught=mask([2])))
PYTHON = (namespace(4026532249, 1, OWN, 4242, 4), init(4242, "python3", 3 * 3600))
NGINX = (namespace(4026532301, 1, OWN, 51200, 9), init(51200, "nginx", 172801, caught=mask([1, 2, 3, 15])))
NESTED = (
    namespace(4026532400, 2, 4026532301, 51300, 2),
    init(51300, "tini", 59, awaited=mask([1, 2, 3, 15])),
)
PAUSED = (namespace(4026532500, 1, OWN, 60000, 1), init(60000, "app", 7200, frozen="v1", caught=mask([15])))


PLAIN = namespace(A, 1, OWN, 7)
ENDING = replace(init(7, "app", 1), threads=(Thread(7, exiting=True),))
UNTOLD = init(7, "bash", 1, caught=mask([TERM]), shell="bash", children=(Relative(8, "sleep"),))
FINE = init(7, "app", 1, caught=mask([TERM]))
WAITS = init(7, "app", 1)


WEB = Container("ab" * 32, "web-1", "docker", "nginx:1.25", stop_signal="SIGQUIT")
CHECKOUT = Container(
    "cd" * 32, "app", "containerd", "registry.example/shop/checkout:2.1", "checkout-7d4f", "shop", "SIGTERM"
)


def forwarding(member: Target, signal: int = TERM) -> Init:
    """An init like tini over this child."""
    target = init(7, "tini", 1, awaited=mask([1, 2, 3, TERM]))
    child = Step(member, signal, predict(member, signal, "same"))
    step = Step(target, signal, predict(target, signal, "ancestor"), known("tini", ["tini", "app"]), (child,))
    return Init(target, step=step)
