"""`sigtrace top` without a kernel and without a terminal: what the screen says of a sample."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from sigtrace.cli.top_background import Forecast
from sigtrace.cli.top_screen import Screen
from sigtrace.cli.top_view import View
from sigtrace.events.batch import Batch
from sigtrace.events.losses import Losses
from sigtrace.events.nskey import NsKey
from sigtrace.live.rates import RateRow, Sample
from sigtrace.text import columns
from tests.builders.records import record
from tests.builders.samples import ROWS, SAMPLE, listed, pressed


@pytest.fixture(autouse=True)
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is three seconds after the boot, and every init sleeps."""
    monkeypatch.setattr("sigtrace.live.rates.time.clock_gettime_ns", lambda clock: 3 * 10**9)
    monkeypatch.setattr("sigtrace.cli.top_screen.state_of", lambda row: "ended" if row.gone else "sleeps")


def _plain(lines: list[str]) -> list[str]:
    return [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in lines]


def _screen(
    view: View | None = None, width: int = 80, height: int = 12, sample: Sample = SAMPLE
) -> list[str]:
    return _plain(Screen(width, height, colour=True).lines(view or View(), sample))


def test_the_list_at_80_columns() -> None:
    assert _screen() == [
        "sigtrace top  every 1 s                                             22:13:20 UTC",
        "4 namespaces, 2 with drops   123k signals/s   2.0 drops/s   1.2M dropped",
        "sorted by DROP/S, descending",
        "NAMESPACE           INIT COMMAND STATE     SIG/S DROP/S   DROPS LAST DROP",
        "web-1               4242 sleep   sleeps       12    2.0      40 TERM 3s dockerd",
        "4026532400             - sh\\x1b… ended         0      0    1.2M KILL 3s e\\x1b[3…",
        "4026532300          4300 redis   sleeps     123k      0       0",
        "host                   1 systemd sleeps      0.2      0       0",
        "",
        "",
        "",
        "enter events   p postmortem   s sort   / filter   h help   q quit",
    ]


def test_a_wide_screen_has_more_of_the_names() -> None:
    titles, first = _screen(width=120)[3:5]
    assert titles.index("INIT") > 30
    assert first.startswith("web-1 ")
    assert first.endswith("TERM 3s dockerd")


@pytest.mark.parametrize("width", [40, 60, 80, 81, 120, 125, 250])
@pytest.mark.parametrize("height", [1, 3, 6, 24, 60])
@pytest.mark.parametrize("keys", [(), ("h",), ("enter",), ("/", "w", "e")])
def test_every_size_gets_the_lines_it_has_room_for(width: int, height: int, keys: tuple[str, ...]) -> None:
    lines = _screen(pressed(*keys), width, height)
    assert len(lines) == height
    assert max(map(columns, lines)) <= width


def test_hostile_names_are_inert() -> None:
    for keys in ((), ("down", "enter"), ("/", "\u202e")):
        for line in _screen(pressed(*keys)):
            assert all(char.isprintable() for char in line)


def test_without_colour_only_bold_underline_dim_and_reverse_are_left() -> None:
    lines = Screen(80, 12, colour=False).lines(View(), SAMPLE)
    codes = {int(code) for line in lines for code in re.findall(r"\x1b\[(\d+)m", line)}
    assert codes <= {1, 2, 4, 7, 22, 24, 27}


@pytest.mark.parametrize(
    ("word", "found"), [("WEB", [413]), ("nginx", [413]), ("6532300", [464]), ("nothing", [])]
)
def test_a_filter_is_looked_for_in_names_inodes_and_images(word: str, found: list[int]) -> None:
    view = pressed("/", *word, "enter")
    assert listed(view) == found
    assert f"only '{word}'" in "\n".join(_screen(view))
    view.press("escape", [])
    assert len(listed(view)) == 4


def test_a_long_list_scrolls_to_the_selection() -> None:
    rows = tuple(RateRow(NsKey(4026532000 + number, 1), number) for number in range(100))
    sample, view = replace(SAMPLE, rows=rows), View("i")
    view.press("end", view.rows(rows))
    assert "4026532099" in _screen(view, sample=sample)[-2]
    view.press("home", view.rows(rows))
    assert "4026532000" in _screen(view, sample=sample)[4]


def test_an_opened_namespace_shows_its_last_events_and_totals() -> None:
    events = Batch(
        np.concatenate([record(time=n * 10**9, sender_pid=9, sender_comm=b"x") for n in range(30)]), 0, "vm"
    )
    lines = _plain(Screen(80, 12, colour=True).lines(pressed("enter"), SAMPLE, events))
    assert lines[2:5] == [
        "web-1   PID namespace 4026532249   image nginx:1.25",
        "init sleep/4242, sleeps",
        "300 signals (12/s)   40 dropped (2.0/s)   last: TERM 3s dockerd",
    ]
    assert [line[:12] for line in lines[7:11]] == [f"00:00:{second}.000" for second in (26, 27, 28, 29)]
    assert lines[-1].startswith("esc back")


def test_events_that_say_the_same_in_a_second_are_one_line_with_their_number() -> None:
    storm = [record(time=10**9 + n, sender_pid=9 + n, sender_comm=b"x") for n in range(12)]
    other = record(time=10**9 + 5, sender_pid=9, sender_comm=b"y")
    events = Batch(np.concatenate([*storm, other, record(time=3 * 10**9, sender_comm=b"x")]), 0, "vm")
    lines = _plain(Screen(80, 14, colour=True).lines(pressed("enter"), SAMPLE, events))[7:10]
    assert [line.split()[-1] for line in lines] == ["12", "handler", "handler"]
    assert lines[0].endswith("dropped x 12")


def test_a_wide_screen_shows_what_a_stop_would_do_and_the_image() -> None:
    forecasts = {
        ROWS[0].key: Forecast("QUIT", "waits for KILL"),
        ROWS[3].key: Forecast("TERM", "stops at once"),
    }
    lines = _plain(Screen(140, 12, colour=True, forecasts=forecasts).lines(View(), SAMPLE))
    assert lines[3].endswith("STOP    ON A STOP      IMAGE")
    assert lines[4].split()[-5:] == ["QUIT", "waits", "for", "KILL", "nginx:1.25"]
    assert "stops at once" not in "".join(lines)  # of one that has ended
    assert all(columns(line) <= 140 for line in lines)


def test_a_namespace_that_is_gone_from_the_list_closes() -> None:
    view = pressed("enter")
    _screen(view, sample=replace(SAMPLE, rows=ROWS[1:]))
    assert view.opened is None


def test_lost_events_and_a_pause_are_shown() -> None:
    lines = _screen(pressed(" "), sample=replace(SAMPLE, losses=Losses(1, 1234, 0, 0)))
    assert lines[0].startswith("sigtrace top  PAUSED  1,234 events lost")
