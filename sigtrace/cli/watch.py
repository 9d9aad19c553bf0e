"""`sigtrace watch`: drops as they happen."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import signal as os_signal
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from sigtrace.cli.options import Duration, Signal, format_option, ns_option

if TYPE_CHECKING:
    from collections.abc import Callable

    from sigtrace.batch import Batch
    from sigtrace.collector import Collector
    from sigtrace.pidns import PidNamespace

_AT_ONCE = 1000
"""Events made into text at a time: bounds the memory a storm costs."""

_ENDING = (os_signal.SIGINT, os_signal.SIGTERM, os_signal.SIGHUP)


@click.command(short_help="Show drops as they happen.")
@ns_option
@click.option("--descendants", is_flag=True, help="With --ns: also the namespaces below it.")
@click.option(
    "--signal", "numbers", type=Signal(), multiple=True, help="Only this signal (TERM, 15). Repeatable."
)
@click.option(
    "--all", "everything", is_flag=True, help="Every signal and every target, not only drops for inits."
)
@format_option
@click.option("--duration", type=Duration(), help="End after this long: 30s, 5m.")
@click.option("--count", type=click.IntRange(min=1), help="End after this many events.")
def watch(
    namespaces: tuple[str, ...],
    descendants: bool,
    numbers: tuple[int, ...],
    everything: bool,
    output: str,
    duration: float | None,
    count: int | None,
) -> None:
    """Show signals that were dropped for namespace inits, as it happens.

    One line an event: when, in which PID namespace, which signal, who sent it,
    to whom, and what became of it. PIDs are the host's. JSON Lines have the
    columns of the event table. "ready" on stderr says that from now on nothing
    is missed; a summary follows at the end. Ctrl-C, SIGTERM, a closed pipe,
    --duration and --count all end it.

    \b
    Examples:
      sigtrace watch                                 all drops on this host
      sigtrace watch --ns /proc/4242/ns/pid          one container, by a PID in it
      sigtrace watch --ns 4026532249 --signal TERM --count 1
      sigtrace watch --all --format json --duration 30s > signals.jsonl
    """
    from sigtrace.collector import Collector

    chosen = _chosen(namespaces)
    with Collector(
        ns={nsid: (ns and ns.ns_start) or 0 for nsid, ns in chosen.items()},
        descendants=descendants,
        signals=numbers,
        scope="all" if everything else "drops",
    ) as live:
        with _stopped_by_signals(live, duration):
            for note in live.notes:
                _say(note)
            _say(f"ready: watching {_what(chosen, everything)}")
            with _stopped_when_gone(live, chosen):
                left = -1 if count is None else count
                emit = _emitter(output)
                for batch in live:
                    left -= emit(_wanted(batch, everything), left)
                    if left == 0:
                        break
        live.detach()
        _footer(live)


def _chosen(texts: tuple[str, ...]) -> dict[int, PidNamespace | None]:
    """The namespaces a user named, by inode, with what /proc shows of each."""
    if not texts:
        return {}
    from sigtrace import pidns

    inodes = [pidns.parse_ns(text) for text in texts]
    seen = pidns.survey()
    return {inode: seen.find(inode) for inode in inodes}


def _wanted(batch: Batch, everything: bool) -> Batch:
    from sigtrace.verdict import is_dropped

    return batch if everything else batch[is_dropped(batch.verdicts)]


def _emitter(output: str) -> Callable[[Batch, int], int]:
    """What prints a batch, at most `left` events of it (negative: all), and returns how many it printed."""
    from sigtrace.cli.event_lines import EventLines

    table = EventLines(
        shutil.get_terminal_size().columns, sys.stdout.isatty() and "NO_COLOR" not in os.environ
    )
    if output == "table":
        click.echo(table.header())

    def emit(batch: Batch, left: int) -> int:
        batch = batch[:left] if left >= 0 else batch
        for start in range(0, len(batch), _AT_ONCE):
            part = batch[start : start + _AT_ONCE]
            lines = part.json_lines() if output == "json" else table.lines(part)
            sys.stdout.write("".join(f"{line}\n" for line in lines))
        sys.stdout.flush()
        return len(batch)

    return emit


@contextlib.contextmanager
def _stopped_by_signals(live: Collector, duration: float | None) -> Iterator[None]:
    """While inside, Ctrl-C, SIGTERM, SIGHUP and the end of `duration` stop the collector."""
    handlers = {
        number: os_signal.signal(number, lambda *_: live.stop()) for number in (*_ENDING, os_signal.SIGALRM)
    }
    os_signal.setitimer(os_signal.ITIMER_REAL, duration or 0)
    try:
        yield
    finally:
        os_signal.setitimer(os_signal.ITIMER_REAL, 0)
        for number, handler in handlers.items():
            os_signal.signal(number, handler)


@contextlib.contextmanager
def _stopped_when_gone(live: Collector, chosen: dict[int, PidNamespace | None]) -> Iterator[None]:
    """While inside, the collector is stopped when whoever reads our output left, or all watched namespaces ended."""
    watched = set(chosen)

    def ended(nsid: int, init: int) -> None:
        _say(f"PID namespace {nsid} has ended: its init, PID {init}, exited")
        watched.discard(nsid)
        if not watched:
            live.stop()

    with contextlib.ExitStack() as stack:
        for nsid, ns in chosen.items():
            if ns and ns.init_pid:
                pidfd = os.pidfd_open(ns.init_pid)
                stack.callback(os.close, pidfd)
                live.on_ready(pidfd, functools.partial(ended, nsid, ns.init_pid))
        with contextlib.suppress(PermissionError):  # a plain file has no reader that could leave
            live.on_ready(sys.stdout.fileno(), live.stop, events=0)
        try:
            yield
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _what(chosen: dict[int, PidNamespace | None], everything: bool) -> str:
    what = "all signals" if everything else "signals dropped for namespace inits"
    return what + (" in " + ", ".join(map(str, chosen)) if chosen else "") + "; Ctrl-C ends"


def _footer(live: Collector) -> None:
    counts, losses = live.counts(), live.losses()
    dropped = counts.dropped()
    most = ", ".join(f"{total:,} in {inode}" for inode, total in list(dropped.items())[:5])
    more = f", and in {len(dropped) - 5} more" if len(dropped) > 5 else ""
    _say(
        f"{counts.signals_seen:,} signals seen, {sum(dropped.values()):,} dropped"
        + (f": {most}{more}" if most else "")
    )
    _say(
        f"{losses.lost:,} records lost"
        + (" (the totals above are exact all the same)" if losses.lost else "")
    )
    if losses.uncounted or losses.missed:
        _say(f"totals are too low: {losses.uncounted:,} signals uncounted, {losses.missed:,} missed")


def _say(sentence: str) -> None:
    with contextlib.suppress(BrokenPipeError):
        click.echo(f"sigtrace: {sentence}", err=True)
