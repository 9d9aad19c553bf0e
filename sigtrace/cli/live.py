"""Shared by the commands that trace: which namespaces they follow, how they end, the totals they print at the end."""

from __future__ import annotations

import contextlib
import functools
import os
import signal as os_signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from sigtrace.cli.options import container_options, filter_options, wait_option
from sigtrace.errors import BadInput, NoSuchContainer
from sigtrace.text import printable, shorten
from sigtrace.units import number

if TYPE_CHECKING:
    from sigtrace.events.container import Container
    from sigtrace.events.losses import Losses
    from sigtrace.events.nskey import NsKey
    from sigtrace.live.collector import Collector, Scope

_ENDING = (os_signal.SIGINT, os_signal.SIGTERM, os_signal.SIGHUP)


@dataclass(frozen=True)
class Named:
    """A PID namespace that the user named, with a pidfd of its init."""

    nsid: int
    start: int
    """Start of its init in clock ticks; 0 if it has none."""
    init_pid: int | None = None
    pidfd: int | None = None
    """A pidfd of its init: readable when the init has ended."""


@contextlib.contextmanager
def named_namespaces(texts: tuple[str, ...], descendants: bool) -> Iterator[dict[int, Named]]:
    """The namespaces of `--ns`, by inode. Raises BadInput for one that does not exist or has ended."""
    if descendants and not texts:
        raise BadInput("--descendants needs --ns: without --ns, every namespace is followed anyway.")
    if not texts:
        yield {}
        return
    from sigtrace.procfs import pidns, process

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
                    same = process.namespace_of(found.init_pid) == inode
                except OSError:
                    same = False
                if not same:
                    raise BadInput(
                        f"PID namespace {inode} has just ended: its init, PID {found.init_pid}, is gone."
                    )
                named[inode] = Named(inode, found.ns_start or 0, found.init_pid, pidfd)
        yield named


@dataclass(frozen=True)
class Filters:
    """The values of `filter_options`, `container_options` and `wait_option`."""

    namespaces: tuple[str, ...] = ()
    descendants: bool = False
    numbers: tuple[int, ...] = ()
    containers: tuple[str, ...] = ()
    pods: tuple[str, ...] = ()
    wait: bool = False


def follow_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of `Filters`; the command receives them as `filters`."""

    @functools.wraps(command)
    def packed(
        *,
        namespaces: tuple[str, ...],
        descendants: bool,
        numbers: tuple[int, ...],
        containers: tuple[str, ...],
        pods: tuple[str, ...],
        wait: bool,
        **others: Any,
    ) -> None:
        command(filters=Filters(namespaces, descendants, numbers, containers, pods, wait), **others)

    return filter_options(container_options(wait_option(packed)))


@dataclass(frozen=True)
class Followed:
    """What a command follows: the namespaces that the user named, and the words for containers and pods."""

    named: dict[int, Named]
    filters: Filters

    @property
    def words(self) -> tuple[str, ...]:
        """The words of `--container` and `--pod`."""
        return (*self.filters.containers, *self.filters.pods)

    def __str__(self) -> str:
        """The end of a sentence: ` in web-1 or 4026532249 and below`; empty if everything is followed."""
        containers, pods = (
            " or ".join(map(printable, each)) for each in (self.filters.containers, self.filters.pods)
        )
        of_pods = (
            f"{containers} of pod {pods}" if containers and pods else containers or (pods and f"pod {pods}")
        )
        targets = " or ".join(part for part in (of_pods, *map(str, self.named)) if part)
        return f" in {targets}{' and below' if self.filters.descendants else ''}" if targets else ""


@contextlib.contextmanager
def attached(
    filters: Filters, scope: Scope, every_record: bool = False
) -> Iterator[tuple[Collector, Followed]]:
    """A collector with these filters, and what it follows. Raises BadInput, CannotTrace."""
    from sigtrace.live.collector import Collector

    # A container may live 50 ms: the thread that looks up its name must not wait 5 ms (the default) for each turn.
    sys.setswitchinterval(0.001)
    words = (*filters.containers, *filters.pods)
    if filters.wait and not words:
        raise BadInput(
            "--wait needs --container or --pod: without them, every container that starts is followed anyway."
        )
    with named_namespaces(filters.namespaces, filters.descendants and not words) as named:
        collector = Collector(
            ns={ns.nsid: ns.start for ns in named.values()},
            container=filters.containers,
            pod=filters.pods,
            wait=filters.wait,
            descendants=filters.descendants,
            signals=filters.numbers,
            scope=scope,
            every_record=every_record,
        )
        collector.on_attached = _give_up_privileges
        with _option_names(collector) as live:
            yield live, Followed(named, filters)


def _give_up_privileges() -> None:
    from sigtrace.live import privileges

    try:
        privileges.give_up(privileges.kept())
    except OSError as err:
        say(f"privileges that are no longer needed could not be given up: {err.strerror}")


@contextlib.contextmanager
def _option_names(collector: Collector) -> Iterator[Collector]:
    """Attach the collector; its errors name the option of the command line instead of the library's argument."""
    try:
        collector.__enter__()
    except NoSuchContainer as err:
        raise NoSuchContainer(err.sentence, "--wait") from err
    with contextlib.closing(collector):
        yield collector


def announce(live: Collector) -> None:
    """Print the PID namespace of each followed container, now and whenever one starts."""

    def found(container: Container, nsid: int) -> None:
        say(f"{shorten(container.label, 60)} ({printable(container.runtime)}) is PID namespace {nsid}")

    if live.container_filter:
        live.container_filter.on_found = found
        live.container_filter.decide()


@contextlib.contextmanager
def stopped_by_signals(live: Collector, duration: float | None, once: bool = True) -> Iterator[None]:
    """Inside the block, Ctrl-C, SIGTERM, SIGHUP and the end of `duration` (s) stop the collector.

    A second signal has its default action, without `once` none. SIGHUP that was ignored from the start (nohup) stays
    ignored.
    """
    before = {number: os_signal.getsignal(number) for number in _ENDING}
    caught = [number for number, handler in before.items() if handler != os_signal.SIG_IGN]

    def stop(number: int, frame: FrameType | None) -> None:
        live.stop()
        if once:
            release()

    def release() -> None:
        for each in caught:
            os_signal.signal(each, before[each])

    for each in caught:
        os_signal.signal(each, stop)
    # Not alarm(2): SIGALRM would be one of the signals that are watched.
    timer = threading.Timer(duration or 0, live.stop)
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


def footer(live: Collector, losses: Losses | None = None) -> None:
    """Print what was seen, dropped (by namespace) and lost; `losses`: all of them, if not only the collector's."""
    from sigtrace.events.losses import missing, thinned_note

    counts = live.counts()
    dropped, names = counts.dropped_by_init(), live.names.known()
    most = ", ".join(f"{total:,} in {_called(key, names)}" for key, total in list(dropped.items())[:5])
    more = f", and in {len(dropped) - 5} more" if len(dropped) > 5 else ""
    say(
        f"{number(counts.signals_seen, 'signal')} seen, {sum(dropped.values()):,} dropped"
        + (f": {most}{more}" if most else "")
    )
    if counts.thinned:
        say(thinned_note(counts.thinned))
    for sentence in missing(losses or live.losses()):
        say(sentence)


def _called(key: NsKey, names: Mapping[NsKey, Container]) -> str:
    """`web-1 (4026532249)`, or only the inode if the container is not known."""
    if not key.inode:
        return "namespaces that ended long ago"
    return f"{shorten(names[key].label, 40)} ({key.inode})" if key in names else str(key.inode)


def say(sentence: str) -> None:
    """Print a sentence on stderr, even if nobody reads it any more."""
    with contextlib.suppress(OSError):
        click.echo(f"sigtrace: {sentence}", err=True)
