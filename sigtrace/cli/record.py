"""`sigtrace record`: the flight recorder."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sigtrace.cli.live import Filters, announce, attached, follow_options, footer, say, stopped_by_signals
from sigtrace.cli.options import Duration, Size
from sigtrace.text import printable
from sigtrace.units import number

if TYPE_CHECKING:
    from sigtrace.live.collector import Scope

_LEAST = 1 << 20


@click.command(short_help="Record signals into a directory: rotated, bounded, crash-safe.")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@follow_options
@click.option(
    "--all",
    "everything",
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
def record(
    directory: Path,
    filters: Filters,
    everything: bool,
    max_size: int,
    max_age: float,
    rotate: float,
    duration: float | None,
) -> None:
    """Record into DIR what happens to the inits of PID namespaces.

    Writes events, exact counts, births and deaths of PID namespaces, and snapshots
    of what /proc shows of a namespace when its init drops a signal, is killed or
    exits. DIR is created if it does not exist; --max-size and --max-age bound its
    size, and no foreign file is ever deleted. `summary`, `postmortem`, `report` and
    `export` read DIR, also while it is being written.

    "ready" on stderr means that no signal is missed from then on. A crash loses at
    most the last second; a full disk pauses writing until there is room again.
    Ctrl-C, SIGTERM, SIGHUP and --duration end it.

    \b
    Examples:
      sigtrace record /var/tmp/signals --duration 2s
      sigtrace record /var/tmp/signals --all --max-size 500MiB --max-age 2d
      sigtrace record /var/tmp/signals --ns 4242 --descendants
      sigtrace record /var/tmp/signals --pod shop/checkout-* --wait
    """
    from sigtrace.live.recorder import Recorder
    from sigtrace.recording.writer import Limits

    scope: Scope = "all" if everything else "inits"
    with _without_pandas(), attached(filters, scope) as (live, followed):
        recorder = Recorder(live, directory, Limits(max_size, max_age, rotate), say)
        with stopped_by_signals(live, duration):
            for note in live.notes:
                say(note)
            what = "all signals" if everything else "what concerns namespace inits"
            announce(live)
            say(f"ready: recording {what}{followed} into {printable(str(directory))}; Ctrl-C ends")
            recorder.run()
        footer(live, recorder.lost)
        say(f"{number(recorder.recorded, 'event')} recorded into {printable(str(directory))}")


class _Hidden(MetaPathFinder):
    """Finds no pandas, also where it is installed."""

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        """Raise ModuleNotFoundError for pandas; leave everything else to the other finders."""
        if fullname == "pandas":
            raise ModuleNotFoundError("a recorder does not use pandas", name=fullname)


@contextmanager
def _without_pandas() -> Iterator[None]:
    """Keep pyarrow from importing pandas, which it does for the first array that it makes if pandas is installed.

    That takes a second of CPU, in which records may be lost, and 30 MB; nothing here uses it.
    """
    hidden = _Hidden()
    sys.meta_path.insert(0, hidden)
    try:
        yield
    finally:
        sys.meta_path.remove(hidden)
