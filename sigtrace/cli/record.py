"""`sigtrace record`: the flight recorder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sigtrace.cli.exit_code import EXIT_FAILED
from sigtrace.cli.live import Filters, announce, attached, follow_options, footer, say, stopped_by_signals
from sigtrace.cli.options import Duration, Size, every_record_option
from sigtrace.cli.supervisor import supervised
from sigtrace.text import printable
from sigtrace.units import number

if TYPE_CHECKING:
    from sigtrace.live.collector import Scope
    from sigtrace.live.recorder import Recorder

_LEAST = 1 << 20


@click.command(short_help="Record signals into a directory: rotated, bounded, crash-safe.")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@follow_options
@click.option(
    *("--all", "-a", "everything"),
    is_flag=True,
    help="All signals to all processes, not only those to inits and from inits to members.",
)
@click.option(
    "--max-size",
    type=Size(_LEAST),
    default="1GiB",
    show_default=True,
    help="Delete the oldest segments when the recording exceeds this size.",
)
@click.option(
    "--max-age", type=Duration(), default="7d", show_default=True, help="Delete segments older than this."
)
@click.option(
    "--rotate",
    type=Duration(),
    default="10m",
    show_default=True,
    help="Start a new segment at this interval.",
)
@click.option("--duration", type=Duration(), help="End after this long: 30s, 5m.")
@every_record_option
def record(
    directory: Path,
    filters: Filters,
    everything: bool,
    max_size: int,
    max_age: float,
    rotate: float,
    duration: float | None,
    every_record: bool,
) -> None:
    """Record into DIR what happens to the inits of PID namespaces.

    Writes events, exact counts, births and deaths of PID namespaces, and snapshots
    of what /proc shows of a namespace when its init drops a signal, is killed or
    exits. DIR is created if it does not exist; --max-size and --max-age bound its
    size, and no foreign file is ever deleted. `summary`, `postmortem`, `report` and
    `export` read DIR, also while it is being written.

    A kind of event that comes by the thousand is thinned: the first of each 10 ms
    have records, the others are counted, so that no flood hides what happens to
    others. "ready" on stderr means that no signal is missed from then on. A crash loses at
    most the last second; a full disk pauses writing until there is room again.
    Ctrl-C, SIGTERM, SIGHUP and --duration end it, a disk that hangs or not. The last
    line says how many events are on the disk, and how many were lost on the way to
    it; the exit code is 1 if any was, or if the recording could not be closed.

    \b
    Examples:
      sigtrace record /var/tmp/signals --duration 2s
      sigtrace record /var/tmp/signals --all --max-size 500MiB --max-age 2d
      sigtrace record /var/tmp/signals --ns 4242 --descendants
      sigtrace record /var/tmp/signals --pod shop/checkout-* --wait
    """
    scope: Scope = "all" if everything else "inits"
    limits = max_size, max_age, rotate
    # No module is imported before that need not be in both processes.
    supervised(lambda: _record(directory, filters, (scope, every_record), limits, duration))


def _record(
    directory: Path,
    filters: Filters,
    detail: tuple[Scope, bool],
    limits: tuple[int, float, float],
    duration: float | None,
) -> None:
    from sigtrace.live.process import made, without_pandas

    without_pandas()
    where = printable(str(directory))
    with made(directory), attached(filters, *detail) as (live, followed):
        # Not before the attachment: numpy and pyarrow start threads, which would keep all privileges.
        from sigtrace.live.recorder import Recorder
        from sigtrace.recording.writer import Limits

        recorder = Recorder(live, directory, Limits(*limits), say)
        # A second signal is the supervisor's affair.
        with stopped_by_signals(live, duration, once=False):
            for note in live.notes:
                say(note)
            what = "all signals" if detail[0] == "all" else "what concerns namespace inits"
            announce(live)
            recorder.start()
            say(f"ready: recording {what}{followed} into {where}; Ctrl-C ends")
            recorder.run()
        footer(live, recorder.losses())
        _say_what_became_of_it(recorder, where)
    if recorder.lost or not recorder.closed:
        raise click.exceptions.Exit(EXIT_FAILED)


def _say_what_became_of_it(recorder: Recorder, where: str) -> None:
    what = f"{number(recorder.recorded, 'event')} recorded into {where}"
    if recorder.lost:
        what += f", {recorder.lost:,} lost"
    if not recorder.closed:
        what += ": it could not be closed, and its end is missing"
    say(what)
