"""What the commands that trace have in common: whom they follow, how they end, what they say at the end."""

from __future__ import annotations

import contextlib
import os
import signal as os_signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING

import click

from sigtrace.errors import BadInput

if TYPE_CHECKING:
    from sigtrace.collector import Collector, Scope

_ENDING = (os_signal.SIGINT, os_signal.SIGTERM, os_signal.SIGHUP)


@dataclass(frozen=True)
class Named:
    """A PID namespace that a user named, held on to by its init."""

    nsid: int
    start: int
    """Start of its init in clock ticks; 0 if it has none."""
    init_pid: int | None = None
    pidfd: int | None = None
    """Of its init: readable when that has ended."""


@contextlib.contextmanager
def named_namespaces(texts: tuple[str, ...], descendants: bool) -> Iterator[dict[int, Named]]:
    """The namespaces of `--ns`, by inode. Raises BadInput for what is none, or has ended meanwhile."""
    if descendants and not texts:
        raise BadInput("--descendants goes with --ns: without it, every namespace is followed anyway.")
    if not texts:
        yield {}
        return
    from sigtrace import pidns, proc

    inodes = [pidns.parse_ns(text) for text in texts]
    seen = pidns.survey()
    named: dict[int, Named] = {}
    with contextlib.ExitStack() as stack:
        for inode in inodes:
            found = seen.find(inode)
            named[inode] = Named(inode, 0)
            if found and found.init_pid:
                try:
                    pidfd = os.pidfd_open(found.init_pid)
                    stack.callback(os.close, pidfd)
                    same = proc.namespace_of(found.init_pid) == inode
                except OSError:
                    same = False
                if not same:
                    raise BadInput(
                        f"PID namespace {inode} has just ended: its init, PID {found.init_pid}, is gone."
                    )
                named[inode] = Named(inode, found.ns_start or 0, found.init_pid, pidfd)
        yield named


@contextlib.contextmanager
def attached(
    namespaces: tuple[str, ...], descendants: bool, numbers: tuple[int, ...], scope: Scope
) -> Iterator[tuple[Collector, dict[int, Named]]]:
    """A collector with the filters of `filter_options`, and the namespaces they named. Raises BadInput, CannotTrace."""
    from sigtrace.collector import Collector

    with named_namespaces(namespaces, descendants) as chosen:
        starts = {ns.nsid: ns.start for ns in chosen.values()}
        with Collector(ns=starts, descendants=descendants, signals=numbers, scope=scope) as live:
            yield live, chosen


@contextlib.contextmanager
def stopped_by_signals(live: Collector, duration: float | None) -> Iterator[None]:
    """While inside, Ctrl-C, SIGTERM, SIGHUP and the end of `duration` (s) stop the collector.

    A second signal acts as if nobody handled it; what was ignored from the start (nohup) stays so.
    """
    before = {number: os_signal.getsignal(number) for number in _ENDING}
    caught = [number for number, handler in before.items() if handler != os_signal.SIG_IGN]

    def stop(number: int, frame: FrameType | None) -> None:
        live.stop()
        release()

    def release() -> None:
        for number in caught:
            os_signal.signal(number, before[number])

    for number in caught:
        os_signal.signal(number, stop)
    timer = threading.Timer(
        duration or 0, live.stop
    )  # not an alarm: it would be a signal among those watched
    timer.daemon = True
    if duration:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()
        if duration:
            timer.join()
        release()


def where(chosen: dict[int, Named], descendants: bool) -> str:
    """The namespaces that are followed, for the end of a sentence."""
    inodes = ", ".join(map(str, chosen))
    return f" in {inodes}{' and below' if descendants else ''}" if chosen else ""


def footer(live: Collector, unwritten: int = 0) -> None:
    """What was seen and dropped, by namespace, and what was lost; `unwritten` records were so after being read."""
    counts, losses = live.counts(), live.losses()
    dropped = counts.dropped()
    most = ", ".join(f"{total:,} in {inode}" for inode, total in list(dropped.items())[:5])
    more = f", and in {len(dropped) - 5} more" if len(dropped) > 5 else ""
    say(
        f"{number(counts.signals_seen, 'signal')} seen, {sum(dropped.values()):,} dropped"
        + (f": {most}{more}" if most else "")
    )
    lost = losses.lost + unwritten
    exact = " (the totals above are exact all the same)" if lost else ""
    say(f"{number(lost, 'record')} lost{exact}")
    if losses.uncounted or losses.missed:
        say(f"totals are too low: {losses.uncounted:,} signals uncounted, {losses.missed:,} missed")


def number(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def say(sentence: str) -> None:
    """A sentence on stderr, whoever still listens."""
    with contextlib.suppress(OSError):
        click.echo(f"sigtrace: {sentence}", err=True)
