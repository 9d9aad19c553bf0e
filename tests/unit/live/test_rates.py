"""`sigtrace top` without a kernel and without a terminal: what keys change, and what the screen says of a sample."""

from __future__ import annotations

import os
import re
import time
from dataclasses import replace

import numpy as np
import pytest

from sigtrace import clock
from sigtrace.cli.top_screen import Screen
from sigtrace.cli.top_view import SORTS, View
from sigtrace.events.batch import Batch
from sigtrace.events.container import Container
from sigtrace.events.nskey import NsKey
from sigtrace.live.kernel.counts import Losses
from sigtrace.live.rates import Drop, Row, Sample, state_of
from sigtrace.procfs import process
from sigtrace.text import columns
from tests.builders.records import record

NOW = 1_700_000_000.0
WEB = Container("c" * 64, name="web-1", runtime="docker", image="nginx:1.25")
ROWS = (
    Row(
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
    Row(NsKey(4026532300, 6), 4300, "redis", rate=123456.0, signals=2_000_000),
    Row(NsKey(4026531836, 1), 1, "systemd", rate=0.2, signals=7),
    Row(
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


def _pressed(*keys: str) -> View:
    view = View()
    for key in keys:
        view.press(key, view.rows(ROWS))
    return view


def _order(view: View) -> list[int]:
    return [row.key[0] - 4026531836 for row in view.rows(ROWS)]


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
        "enter events   s sort   / filter   p pause   h help   q quit",
    ]


def test_a_wide_screen_has_more_of_the_names() -> None:
    titles, first = _screen(width=120)[3:5]
    assert titles.index("INIT") > 30
    assert first.startswith("web-1 ")
    assert first.endswith("TERM 3s dockerd")


@pytest.mark.parametrize("width", [40, 60, 80, 81, 120, 250])
@pytest.mark.parametrize("height", [1, 3, 6, 24, 60])
@pytest.mark.parametrize("keys", [(), ("h",), ("enter",), ("/", "w", "e")])
def test_every_size_gets_the_lines_it_has_room_for(width: int, height: int, keys: tuple[str, ...]) -> None:
    lines = _screen(_pressed(*keys), width, height)
    assert len(lines) == height
    assert max(map(columns, lines)) <= width


def test_hostile_names_are_inert() -> None:
    for keys in ((), ("down", "enter"), ("/", "\u202e")):
        for line in _screen(_pressed(*keys)):
            assert all(char.isprintable() for char in line)


def test_without_colour_only_bold_underline_dim_and_reverse_are_left() -> None:
    lines = Screen(80, 12, colour=False).lines(View(), SAMPLE)
    codes = {int(code) for line in lines for code in re.findall(r"\x1b\[(\d+)m", line)}
    assert codes <= {1, 2, 4, 7, 22, 24, 27}


@pytest.mark.parametrize(
    ("keys", "order"),
    [
        ((), [413, 564, 464, 0]),
        (("d",), [0, 464, 564, 413]),  # sorted so already: the other way round
        (("g",), [464, 413, 0, 564]),
        (("t",), [564, 413, 0, 464]),
        (("n",), [464, 564, 0, 413]),
        (("i",), [564, 0, 413, 464]),
        (("c",), [464, 564, 413, 0]),
    ],
)
def test_keys_sort(keys: tuple[str, ...], order: list[int]) -> None:
    assert _order(_pressed(*keys)) == order


def test_s_goes_through_all_columns_and_comes_back() -> None:
    seen = [_pressed(*"s" * times).column for times in range(len(SORTS) + 1)]
    assert seen[0] == seen[-1]
    assert set(seen) == {title for title, _, _ in SORTS.values()}


@pytest.mark.parametrize(
    ("word", "found"), [("WEB", [413]), ("nginx", [413]), ("6532300", [464]), ("nothing", [])]
)
def test_a_filter_is_looked_for_in_names_inodes_and_images(word: str, found: list[int]) -> None:
    view = _pressed("/", *word, "enter")
    assert _order(view) == found
    assert f"only '{word}'" in "\n".join(_screen(view))
    view.press("escape", [])
    assert len(_order(view)) == 4


def test_letters_typed_into_the_filter_are_no_commands() -> None:
    view = _pressed("/", "q", "p", "h", "x", "backspace")
    assert (view.filter, view.ended, view.paused, view.help) == ("qph", False, False, False)
    view.press("escape", [])
    assert (view.filter, view.typing) == ("", False)


def test_the_selection_stays_with_its_namespace_when_the_order_changes() -> None:
    view = _pressed("down")
    assert view.selected == (4026532400, 7)
    view.press("g", view.rows(ROWS))
    assert view.place(view.rows(ROWS)) == 3
    view.press("enter", view.rows(ROWS))
    assert view.opened == (4026532400, 7)


def test_enter_opens_the_first_when_nothing_was_selected() -> None:
    assert _pressed("enter").opened == (4026532249, 5)


def test_a_long_list_scrolls_to_the_selection() -> None:
    rows = tuple(Row(NsKey(4026532000 + number, 1), number) for number in range(100))
    sample, view = replace(SAMPLE, rows=rows), View("i")
    view.press("end", view.rows(rows))
    assert "4026532099" in _screen(view, sample=sample)[-2]
    view.press("home", view.rows(rows))
    assert "4026532000" in _screen(view, sample=sample)[4]


def test_an_opened_namespace_shows_its_last_events_and_totals() -> None:
    events = Batch(
        np.concatenate([record(time=n * 10**9, sender_pid=9, sender_comm=b"x") for n in range(30)]), 0, "vm"
    )
    lines = _plain(Screen(80, 12, colour=True).lines(_pressed("enter"), SAMPLE, events))
    assert lines[2:5] == [
        "web-1   PID namespace 4026532249   image nginx:1.25",
        "init sleep/4242, sleeps",
        "300 signals (12/s)   40 dropped (2.0/s)   last: TERM 3s dockerd",
    ]
    assert [line[:12] for line in lines[7:11]] == [f"00:00:{second}.000" for second in (26, 27, 28, 29)]
    assert lines[-1].startswith("esc back")


def test_a_namespace_that_is_gone_from_the_list_closes() -> None:
    view = _pressed("enter")
    _screen(view, sample=replace(SAMPLE, rows=ROWS[1:]))
    assert view.opened is None


def test_lost_events_and_a_pause_are_shown() -> None:
    lines = _screen(_pressed("p"), sample=replace(SAMPLE, losses=Losses(1, 1234, 0, 0)))
    assert lines[0].startswith("sigtrace top  PAUSED  1,234 events lost")


def test_a_drop_is_as_long_ago_in_a_time_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "boottime_offset", lambda: 10**15)
    before = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - 10**15 - 5 * 10**9  # as the kernel has it
    assert Drop(15, "sh", before).ago == 5


def test_states_are_those_of_proc() -> None:
    ticks = clock.kernel_ticks(process.read_stat(os.getpid()).start_ticks)
    assert state_of(Row(NsKey(1, ticks), os.getpid())) == "runs"
    assert state_of(Row(NsKey(1, ticks + 1), os.getpid())) == "ended"
    assert state_of(Row(NsKey(1, ticks), None)) == ""
