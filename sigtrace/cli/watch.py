"""`sigtrace watch`: drops as they happen."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from sigtrace.cli.live import (
    Filters,
    Followed,
    Named,
    announce,
    attached,
    follow_options,
    footer,
    say,
    stopped_by_signals,
)
from sigtrace.cli.options import Duration, every_record_option, format_option, targets_argument
from sigtrace.cli.output import write_lines
from sigtrace.errors import BadInput
from sigtrace.units import number

if TYPE_CHECKING:
    from collections.abc import Callable

    from sigtrace.events.batch import Batch
    from sigtrace.live.collector import Collector, Scope

_AT_ONCE = 1000
"""Events formatted at a time: bounds the memory that a storm takes."""
_REPEATS = {"table": 20, "json": 200}
"""Lines for events of one kind in a second; the others become one line."""
NAME_SECONDS = 0.5
"""How long the first line of a new namespace waits for its container's name."""


@click.command(short_help="Show drops as they happen.")
@targets_argument
@follow_options
@click.option(
    *("--all", "-a", "everything"),
    is_flag=True,
    help="All signals to all processes, not only drops for inits.",
)
@click.option(
    "--raw",
    is_flag=True,
    help="With --all: also what programs do all the time, see above.",
)
@format_option
@click.option("--duration", type=Duration(), help="End after this long: 30s, 5m.")
@click.option("--count", type=click.IntRange(min=1), help="End after this many lines.")
@every_record_option
def watch(
    filters: Filters,
    everything: bool,
    raw: bool,
    output: str,
    duration: float | None,
    count: int | None,
    every_record: bool,
) -> None:
    """Show signals dropped for namespace inits, as they happen.

    TARGET is a container, a pod (NAMESPACE/NAME), a PID or an inode, whose PID
    namespace is watched; without one, all are.

    Prints one line per event: time, PID namespace, signal, sender, target, and
    what became of the signal. PIDs are the host's; a wide terminal shows a sender
    with its parent, as PARENT<SENDER. JSON Lines have the columns of the event
    table. Of a flood of one kind the first are printed, then one line a second
    for all others ("x 48,231", in JSON `thinned`). "ready" on stderr means that no
    signal is missed from then on; totals follow at the end. Ctrl-C, SIGTERM, a
    closed pipe, --duration and --count all end it.

    --all leaves out what programs do all the time, and counts it: SIGCHLD to a
    parent from the kernel, SIGURG to a thread of the sender's own (the Go runtime
    does so), the end of the threads of a process that ends or runs a new program,
    and processes other than inits that exit with code 0. --raw shows these too, and
    --signal those of the signal that it names.

    \b
    Examples:
      sigtrace watch                              all drops on this host
      sigtrace watch web-1                        one container, also restarted
      sigtrace watch 'shop/checkout-*' --wait     pods, also ones yet to start
      sigtrace watch 4242                         a PID namespace, by a PID in it
      sigtrace watch --ns 4026532249 --signal TERM --count 1
      sigtrace watch web-1 --all                  whole stops, also good ones
      sigtrace watch --all --raw --json --duration 30s > signals.jsonl
    """
    if raw and not everything:
        raise BadInput("--raw needs --all: without it, only dropped signals are shown anyway.")
    scope: Scope = "all" if everything else "drops"
    wanted = _Wanted(scope, raw, filters.numbers)
    with attached(filters, scope, every_record) as (live, followed):
        with stopped_by_signals(live, duration):
            for note in live.notes:
                say(note)
            what = "all signals" if everything else "signals dropped for namespace inits"
            announce(live)
            if not every_record:
                live.fold(_REPEATS[output])
            say(f"ready: watching {what}{followed}; Ctrl-C ends")
            with _stopped_when_gone(live, followed):
                left = -1 if count is None else count
                emit = _emitter(output)
                for batch in live:
                    part = wanted.of(batch)
                    live.names.wait(part.namespaces(), NAME_SECONDS)
                    left -= emit(part, left)
                    if left == 0:
                        break
        live.detach()
        if wanted.left_out:
            say(f"{number(wanted.left_out, 'routine event')} not shown: --raw shows them")
        footer(live)


class _Wanted:
    """Selects what is shown of each batch, and counts the events that `--all` leaves out."""

    def __init__(self, scope: Scope, raw: bool, asked: tuple[int, ...]) -> None:
        self._scope, self._raw, self._asked = scope, raw, asked
        self.left_out = 0

    def of(self, batch: Batch) -> Batch:
        """Return the records to show."""
        from sigtrace.events.routine import is_routine
        from sigtrace.events.verdict import is_dropped

        if self._scope == "drops":
            return batch[is_dropped(batch.verdicts)]
        if self._raw:
            return batch
        routine = is_routine(batch.records, self._asked)
        self.left_out += int(batch.weights[routine].sum())
        return batch[~routine]


def _emitter(output: str) -> Callable[[Batch, int], int]:
    """A function that prints at most `left` events of a batch (negative: all) and returns how many it printed."""
    import shutil

    from sigtrace.cli.event_lines import EventLines

    table = EventLines(
        shutil.get_terminal_size().columns, sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    )
    if output == "table":
        click.echo(table.header())

    def emit(batch: Batch, left: int) -> int:
        batch = batch[:left] if left >= 0 else batch
        for start in range(0, len(batch), _AT_ONCE):
            part = batch[start : start + _AT_ONCE]
            write_lines(part.json_lines() if output == "json" else table.lines(part))
        return len(batch)

    return emit


@contextlib.contextmanager
def _stopped_when_gone(live: Collector, followed: Followed) -> Iterator[None]:
    """Inside the block, stop the collector when the reader of our output is gone or all watched namespaces have ended.

    Watched containers do not stop it when they end: they may start again.
    """
    watched = set(followed.named)

    def ended(ns: Named) -> None:
        say(f"PID namespace {ns.nsid} has ended: its init, PID {ns.init_pid}, exited")
        watched.discard(ns.nsid)
        if not watched and not followed.words:
            live.stop()

    for ns in followed.named.values():
        if ns.pidfd is not None:
            live.on_ready(ns.pidfd, functools.partial(ended, ns))
    with contextlib.suppress(PermissionError):  # a plain file has no reader that could leave
        live.on_ready(sys.stdout.fileno(), live.stop, events=0)
    try:
        yield
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
