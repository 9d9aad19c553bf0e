"""`sigtrace top`: signals and drops per second by namespace, live on a screen."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from sigtrace.cli.interrupt import terminated_like_ctrl_c
from sigtrace.cli.live import Filters, attached, follow_options, footer, say
from sigtrace.cli.options import Duration, format_option, targets_argument
from sigtrace.cli.output import echo_json
from sigtrace.errors import BadInput
from sigtrace.units import SECOND, duration

if TYPE_CHECKING:
    from sigtrace.cli.terminal import Terminal
    from sigtrace.live.rates import Sampler

_SORTS = {
    **{"drops/s": "d", "drops": "t", "signals/s": "g", "last-drop": "l"},
    **{"namespace": "n", "init": "i", "command": "c"},
}
"""Value of `--sort` -> the key that does the same."""
_SHORTEST = 0.1
_LISTEN_SECONDS = 0.1
"""How often the births of namespaces are read, so that a container is looked up while it lives."""


@click.command(short_help="Show signals and drops per second by namespace, live.")
@targets_argument
@follow_options
@click.option(
    "--interval", type=Duration(), default="1s", show_default=True, help="Time between updates: 500ms, 2s."
)
@click.option(
    "--sort", type=click.Choice(list(_SORTS)), default="drops/s", show_default=True, help="Column to sort by."
)
@click.option("--once", is_flag=True, help="Print the sample of one interval and exit, for scripts.")
@format_option
def top(
    filters: Filters,
    interval: float,
    sort: str,
    once: bool,
    output: str,
) -> None:
    """Show the signals and drops of the PID namespaces of this host, live.

    TARGET is a container, a pod (NAMESPACE/NAME), a PID or an inode, whose PID
    namespace is shown; without one, all are.

    One line per namespace, by its container's name: its init, signals and drops
    per second, drops since the start, and the last drop: which signal, how long
    ago, from whom. From 125 columns on also the stop signal, whether a stop would
    wait for SIGKILL, and the image. Enter shows the last events of a namespace, p
    its postmortem, h lists all keys, q quits.

    Numbers are the kernel's exact counts, read once per interval, so the cost does
    not depend on the number of signals. Only the events behind Enter can be lost.

    \b
    Examples:
      sigtrace top
      sigtrace top 'shop/checkout-*' --wait --interval 500ms
      sigtrace top --once --sort drops
      sigtrace top --once --format json --interval 5s | jq .drops_per_second
    """
    if output == "json" and not once:
        raise BadInput("--format json needs --once: the live screen has no JSON.")
    if interval < _SHORTEST:
        raise BadInput(f"an interval of {duration(interval * SECOND)} is too short: give at least 100ms.")
    if not once and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise BadInput("stdin and stdout are not a terminal: use --once to print one sample.")
    with terminated_like_ctrl_c(), attached(filters, "inits") as (live, followed):
        from sigtrace.live.rates import Sampler

        sampler = Sampler(
            live, {each.nsid: each.start for each in followed.named.values()}, filters.descendants
        )
        if once:
            end = time.monotonic() + interval
            while (left := end - time.monotonic()) > 0:
                time.sleep(min(left, _LISTEN_SECONDS))
                sampler.listen()
            _print(sampler, _SORTS[sort], output)
            return
        with contextlib.suppress(KeyboardInterrupt):
            _run(sampler, _SORTS[sort], interval, not filters.numbers)
        live.detach()
        for note in live.notes:
            say(note)
        footer(live)


def _print(sampler: Sampler, sort: str, output: str) -> None:
    from sigtrace.cli.top_background import Forecasts
    from sigtrace.cli.top_cells import as_dict
    from sigtrace.cli.top_screen import Screen
    from sigtrace.cli.top_view import View

    sample, view = sampler.sample(), View(sort)
    if output == "json":
        for row in view.rows(sample.rows):
            echo_json(as_dict(row))
        return
    screen = Screen(shutil.get_terminal_size().columns, 0, colour=False)
    if screen.wide:
        screen = replace(screen, forecasts=Forecasts().renew())
    for line in screen.table(view, sample):
        click.echo(line)


def _wait_for_keys(terminal: Terminal, sampler: Sampler, due: float) -> list[str] | None:
    """The next keys, empty at the time `due`; None if the terminal is gone. The sampler listens in the meantime."""
    while True:
        now = time.monotonic()
        until = min(due, now + _LISTEN_SECONDS)
        keys = terminal.keys(max(until - now, 0))
        early = time.monotonic() < until  # the screen must be painted again
        if keys is None or keys or until == due or early:
            return keys
        sampler.listen()


def _run(sampler: Sampler, sort: str, interval: float, whole: bool) -> None:
    """Run the screen until the user quits or the terminal is gone. whole: all signals to inits are recorded."""
    from sigtrace.cli.terminal import Terminal
    from sigtrace.cli.top_background import Examination, Forecasts
    from sigtrace.cli.top_screen import Screen
    from sigtrace.cli.top_view import View

    view, colour = View(sort), not os.environ.get("NO_COLOR")
    forecasts, examination, since = Forecasts(), None, time.time() if whole else 0.0
    with Terminal() as terminal:
        sample, events, opened = sampler.sample(), None, None
        due = time.monotonic() + interval
        while not view.ended:
            if not view.paused or view.opened != opened:
                opened = view.opened
                events = sampler.events(opened) if opened else None
            if view.examined is None:
                examination = None
            elif examination is None and (row := sample.find(view.examined)):
                examination = Examination(row, sampler.events(row.key), since)
            elif examination is None:  # it is no longer listed
                view.examined = None
            screen = Screen(*terminal.size, colour, interval)
            if screen.wide:
                screen = replace(screen, forecasts=forecasts.latest())
            terminal.show(screen.lines(view, sample, events, examination))
            keys = _wait_for_keys(terminal, sampler, due)
            if keys is None:
                return
            for key in keys:
                view.press(key, view.rows(sample.rows))
            if time.monotonic() >= due:
                due = time.monotonic() + interval
                new = sampler.sample()  # also while paused: events that are not read get lost
                sample = sample if view.paused else new
