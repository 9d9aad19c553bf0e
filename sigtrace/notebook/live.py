"""A live view of a collector in a notebook: a cell that is updated until it is interrupted."""

from __future__ import annotations

import importlib
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sigtrace.errors import BadInput
from sigtrace.events.batch import Batch, join
from sigtrace.events.container import COLUMNS, Container
from sigtrace.events.losses import missing
from sigtrace.events.outcome import label
from sigtrace.live.collector import Collector, CollectorFilters
from sigtrace.notebook.table import table, text
from sigtrace.units import SECOND, duration, number

if TYPE_CHECKING:
    import pandas as pd
    from typing_extensions import Unpack

    from sigtrace.events.counts import Counts

_KEPT = 100_000
"""Events kept for `events`."""
_LINES = 15
_COLUMNS = ("time", "namespace", "signal", "from", "to", "became")

Show = Callable[[str], None]
"""Replaces what is shown by this HTML."""


class LiveView:
    """The events of an attached collector; `run` shows them in a notebook's cell and updates it.

    counts: the kernel's, as of the last update.
    """

    def __init__(self, live: Collector, show: Show | None = None, lines: int = _LINES) -> None:
        self._live = live
        self._show = show
        self._lines = lines
        self._batches: deque[Batch] = deque()
        self._kept = 0
        self.counts: Counts | None = None

    def run(self, seconds: float | None = None, every: float = 0.5) -> None:
        """Show the events, updated each `every` seconds, for `seconds` or until the kernel is interrupted (■).

        Raises BadInput outside IPython.
        """
        show = self._show or _display()
        began = time.monotonic()
        try:
            while seconds is None or time.monotonic() - began < seconds:
                left = every if seconds is None else min(every, max(seconds - (time.monotonic() - began), 0))
                show(self._page(self._look(left), time.monotonic() - began, "interrupt the kernel to end"))
        except KeyboardInterrupt:
            pass
        show(self._page(self._look(0), time.monotonic() - began, "ended"))

    def events(self) -> pd.DataFrame:
        """Return the event table of the last 100,000 events."""
        return self._batch().to_pandas()

    def _look(self, seconds: float) -> str:
        """Take the events of so many seconds, and return the text of the first line."""
        until = time.monotonic() + seconds
        while True:
            batch = self._live.drain(timeout=max(until - time.monotonic(), 0))
            if len(batch):
                self._keep(batch)
            if time.monotonic() >= until:
                break
            time.sleep(max(min(0.05, until - time.monotonic()), 0))
        self.counts = self._live.counts()
        lost = "; ".join(missing(self._live.losses()))
        dropped = sum(self.counts.dropped().values())
        return f"{number(self.counts.signals_seen, 'signal')} seen, {dropped:,} dropped, {lost}"

    def _keep(self, batch: Batch) -> None:
        self._batches.append(batch[-_KEPT:])
        self._kept += len(self._batches[-1])
        while self._kept - len(self._batches[0]) >= _KEPT:
            self._kept -= len(self._batches.popleft())

    def _batch(self) -> Batch:
        if not self._batches:
            return self._live.drain()[:0]
        whole = join(list(self._batches))
        self._batches = deque([whole])
        return whole

    def _page(self, facts: str, seconds: float, state: str) -> str:
        batches: list[Batch] = []
        for batch in reversed(self._batches):
            if sum(map(len, batches)) >= self._lines:
                break
            batches.insert(0, batch[-self._lines :])
        rows: list[dict[str, Any]] = list(join(batches)[-self._lines :].rows()) if batches else []
        cells = [_cells(row) for row in rows]
        stand_out = [row["verdict"].startswith("dropped") for row in rows]
        passed = duration(round(seconds) * SECOND)
        return f"<div>{text(f'{passed}: {facts} ({state})', 200)}{table(_COLUMNS, cells, stand_out)}</div>"


def watch_in_notebook(
    *, seconds: float | None = None, every: float = 0.5, **filters: Unpack[CollectorFilters]
) -> LiveView:
    """Watch signals in a notebook's cell, for `seconds` or until the kernel is interrupted (■).

    every: seconds between updates. filters: those of `sigtrace.Collector`: ns, descendants, signals, scope, container,
    pod. The returned view has `events()` and `counts`. Raises CannotTrace if this host cannot trace, BadInput outside
    a notebook.

        seen = sigtrace.watch_in_notebook(scope="inits")
        seen.events().groupby("verdict").size()
    """
    show = _display()
    with Collector(**filters) as live:
        view = LiveView(live, show)
        view.run(seconds, every)
        view._batch()
    return view


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        row["time"][11:23],
        _place(row),
        row["signal_name"].removeprefix("SIG"),
        _process(row["sender_comm"], row["sender_pid"]),
        _process(row["target_comm"], row["target_pid"]),
        label(row["verdict"], row["signal"], row["origin"]),
    )


def _place(row: dict[str, Any]) -> str:
    return Container(*(row[name] for name in COLUMNS)).label or str(row["nsid"])


def _process(comm: str, pid: int | None) -> str:
    return f"{comm}/{pid}" if pid else ""


def _display() -> Show:
    """Return a function that replaces a part of the cell's output."""
    try:
        ipython: Any = importlib.import_module("IPython.display")
        shell = importlib.import_module("IPython").get_ipython()
    except ImportError as err:
        raise BadInput("a live view needs IPython: pip install 'sigtrace[notebook]'") from err
    if shell is None:
        raise BadInput("a live view needs a notebook: in a terminal, use sigtrace watch or sigtrace top")
    handle = ipython.display(ipython.HTML(""), display_id=True)
    return lambda page: handle.update(ipython.HTML(page))
