"""Questions about a million events: none of them is answered event by event."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from sigtrace import frames
from tests.builders.steps import counting
from tests.builders.stories import storm

EVENTS = 1_000_000


@pytest.fixture(scope="module")
def million() -> pd.DataFrame:
    return storm(EVENTS).to_pandas()


@pytest.mark.parametrize(
    ("answer", "most"),
    [
        (frames.df_drops, 250_000),
        (frames.df_verdicts, 250_000),
        (frames.df_senders, 250_000),
        (frames.df_startup, 250_000),
        (frames.df_kill_latency, 250_000),
        (frames.df_stops, 5 * EVENTS),  # every request is looked at, to tell who asked
    ],
)
def test_a_million_events_are_not_looked_at_one_by_one(
    answer: Callable[[Any], pd.DataFrame], most: int, million: pd.DataFrame
) -> None:
    with counting() as steps:
        found = answer(million)
    assert len(found) > 0 or answer is frames.df_kill_latency
    assert steps.count < most
