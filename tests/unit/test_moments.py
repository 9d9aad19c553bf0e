"""One parser reads points in time and durations, for every command and for the library."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigtrace.cli.options import Duration, Moment
from sigtrace.clock import iso
from sigtrace.errors import BadInput
from sigtrace.moments import nanoseconds, span
from sigtrace.units import DAY, HOUR, MINUTE, SECOND

NOW = int(np.datetime64("2026-11-22T07:53:45.894510123", "ns").astype(int))

FORMS = {
    "now": "2026-11-22T07:53:45.894510123",
    " Now ": "2026-11-22T07:53:45.894510123",
    "today": "2026-11-22",
    "yesterday": "2026-11-21",
    "yesterday 22:10": "2026-11-21T22:10",
    "today 9:00 +02:00": "2026-11-22T07:00",
    "10m": "2026-11-22T07:43:45.894510123",
    "10m ago": "2026-11-22T07:43:45.894510123",
    "2 hours ago": "2026-11-22T05:53:45.894510123",
    "1h30m": "2026-11-22T06:23:45.894510123",
    "1 day 1 hour ago": "2026-11-21T06:53:45.894510123",
    "1 week": "2026-11-15T07:53:45.894510123",
    "07:53:45": "2026-11-22T07:53:45",
    "07:53:46": "2026-11-21T07:53:46",
    "7:53": "2026-11-22T07:53",
    "22:14": "2026-11-21T22:14",
    "22:14Z": "2026-11-21T22:14",
    "00:30+02:00": "2026-11-21T22:30",
    "00:30 -05": "2026-11-22T05:30",
    "2026-11-22": "2026-11-22",
    "2026-11-22T07:53": "2026-11-22T07:53",
    "2026-11-22 07:53:45 UTC": "2026-11-22T07:53:45",
    "2026-11-22T07:53:45Z": "2026-11-22T07:53:45",
    "2026-11-22t07:53:45.5z": "2026-11-22T07:53:45.500",
    "2026-11-22T07:53:45.894510123Z": "2026-11-22T07:53:45.894510123",
    "2026-11-22T07:53:45,894510123+00:00": "2026-11-22T07:53:45.894510123",
    "2026-11-22T01:30:00+02:00": "2026-11-21T23:30",
    "2026-11-22T01:30:00-0530": "2026-11-22T07:00",
    "2024-02-29": "2024-02-29",
}
"""What a user writes, and what it means at `NOW`, in UTC."""

REFUSED = (
    *(
        "",
        "yesterdays",
        "tomorrow",
        "ago",
        "10",
        "10x",
        "10m 5",
        "-10m",
        "m",
        "1h ago ago",
        "2026",
        "2026-11",
    ),
    *(
        "2026-02-29",
        "2026-13-01",
        "2026-11-22T25:00",
        "2026-11-22T",
        "24:00",
        "07:60",
        "07:53:61",
        "07",
        "07:5",
    ),
    *(
        "2026-11-22T07:53:45 CET",
        "2026-11-22T07:53:45+25:00",
        "2026-11-22T07:53:45Zx",
        "\u0661\u0660m",
        "now now",
        "today Z",
    ),
)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock stands at `NOW`, and the host is in a zone that is not UTC's."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    monkeypatch.setattr("time.time_ns", lambda: NOW)
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("now")
@pytest.mark.parametrize("text", FORMS)
def test_a_text_means_this_time_in_utc_wherever_the_host_is(text: str) -> None:
    assert np.datetime64(nanoseconds(text), "ns") == np.datetime64(FORMS[text])
    assert Moment().convert(text, None, None) == nanoseconds(text)


@pytest.mark.parametrize("text", REFUSED)
def test_any_other_text_is_refused_and_the_forms_are_named(text: str) -> None:
    with pytest.raises(
        BadInput, match=r"is not a time: write now, .*'2 hours ago', .*in UTC unless a zone follows"
    ):
        nanoseconds(text)


@pytest.mark.parametrize("text", ["1969-12-31", "0001-01-01", "9999-12-31", "2263-01-01", "3000 weeks ago"])
def test_a_time_that_no_column_can_hold_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="is not between 1970 and 2262"):
        nanoseconds(text)


@given(st.integers(0, 2**63 - 1))
def test_what_is_shown_can_be_given_back(moment: int) -> None:
    assert nanoseconds(iso(moment)) == moment // 1000 * 1000


@given(st.datetimes(datetime(1970, 1, 2), datetime(2262, 1, 1)), st.integers(-23 * 60, 23 * 60))
def test_a_datetime_and_its_text_are_the_same_time(naive: datetime, minutes: int) -> None:
    moment = naive.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert nanoseconds(moment) == nanoseconds(moment.isoformat())
    assert nanoseconds(naive) == nanoseconds(naive.isoformat())


def test_a_value_of_a_column_keeps_its_nanoseconds() -> None:
    assert nanoseconds(pd.Timestamp(NOW, tz="UTC")) == nanoseconds(np.int64(NOW)) == NOW


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("250ms", SECOND // 4),
        ("1h30m", HOUR + 30 * MINUTE),
        ("1.5 days", DAY + 12 * HOUR),
        ("90 secs", 90 * SECOND),
        ("2 hours 5 min", 2 * HOUR + 5 * MINUTE),
    ],
)
def test_a_duration_may_be_written_in_words(text: str, expected: int) -> None:
    assert span(text) == expected
    assert Duration().convert(text, None, None) == expected / SECOND


@pytest.mark.parametrize("text", ["0s", "400d", "5 parsecs", "", "1h-5m", "5m ago"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="is not a duration"):
        Duration().convert(text, None, None)
