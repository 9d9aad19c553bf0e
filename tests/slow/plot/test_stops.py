"""How long stops took, as it is drawn."""

from __future__ import annotations

import re

import numpy as np

from sigtrace import plot
from sigtrace.events.batch import Batch
from tests.builders.pictures import marks_of, subtitle_of, text_of
from tests.builders.recordings import UTC
from tests.builders.records import record
from tests.builders.stories import INIT, SECOND, end


def test_stop_durations_tell_the_killed_from_those_that_exited() -> None:
    records = []
    for number, (seconds, status) in enumerate([(0.2, 0), (0.2, 0), (10, 9), (10, 9), (10, 9)]):
        its = {**INIT, "ns_start": number + 1, "target_start": number + 1}
        records += [record(**its, time=SECOND), end(int((1 + seconds) * SECOND), status, its)]
    records.append(record(**{**INIT, "nsid": 7}, time=SECOND))
    chart = plot.stop_durations(Batch(np.concatenate(records), UTC, "web-1").to_pandas())
    bars = {row["end"]: (row["count"], row["from"] <= 10 < row["to"]) for row in marks_of(chart)}
    assert bars == {"exited by itself": (2, False), "ended by SIGKILL": (3, True)}
    assert "5 stops: median 10 s" in subtitle_of(chart)
    assert "1 request without an exit" in subtitle_of(chart)
    assert {"10 ms", "10 s", "1 min"} <= set(re.findall(r"\d+ (?:ms|s|min)", text_of(chart)))
