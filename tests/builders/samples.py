"""A sample of four namespaces, as `sigtrace top` shows it."""

from __future__ import annotations

from sigtrace.cli.top_view import View
from sigtrace.events.container import Container
from sigtrace.events.losses import Losses
from sigtrace.events.nskey import NsKey
from sigtrace.live.rates import Drop, RateRow, Sample

NOW = 1_700_000_000.0
WEB = Container("c" * 64, name="web-1", runtime="docker", image="nginx:1.25")
ROWS = (
    RateRow(
        NsKey(4026532249, 5),
        4242,
        "sleep",
        WEB,
        rate=12.34,
        drop_rate=2.0,
        signals=300,
        drops=40,
        last=Drop(15, "dockerd", 0),
    ),
    RateRow(NsKey(4026532300, 6), 4300, "redis", rate=123456.0, signals=2_000_000),
    RateRow(NsKey(4026531836, 1), 1, "systemd", rate=0.2, signals=7),
    RateRow(
        NsKey(4026532400, 7),
        None,
        "sh\x1b[2J",
        gone=1.0,
        drops=1_234_567,
        signals=1_234_567,
        last=Drop(9, "e\x1b[31mvil\n", 0),
    ),
)
SAMPLE = Sample(ROWS, 1.0, Losses(10, 0, 0, 0), NOW)


def pressed(*keys: str) -> View:
    """The view of that sample after these keys."""
    view = View()
    for key in keys:
        view.press(key, view.rows(ROWS))
    return view


def listed(view: View) -> list[int]:
    """Which of its namespaces a view lists: inodes, counted from the initial one's."""
    return [row.key[0] - 4026531836 for row in view.rows(ROWS)]
