"""The event table: public columns in a public order, from any records whatever."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from sigtrace.events.batch import Batch
from sigtrace.events.columns import EVENT_FIELDS
from sigtrace.events.counts import COUNT, Counts
from sigtrace.events.field import names
from tests.builders.records import EVERYTHING, record

COLUMNS = list(names(EVENT_FIELDS))


def _row(**changes: object) -> dict[str, object]:
    return next(Batch(record(**changes), 0, "host").rows())


def test_a_row_has_the_public_columns_in_their_order() -> None:
    assert list(_row()) == COLUMNS
    assert list(Batch(record(), 0).to_pandas().columns) == COLUMNS


def test_the_documentation_lists_the_columns() -> None:
    text = (Path(__file__).parents[3] / "docs" / "events.md").read_text()
    assert [column for column in COLUMNS if f"`{column}`" not in text] == []


def test_kernel_time_becomes_utc_to_the_nanosecond() -> None:
    batch = Batch(record(time=5_000_000_001), 1_700_000_000_000_000_000, "host")
    assert next(batch.rows())["time"] == "2023-11-14T22:13:25.000000001Z"
    assert batch.to_pandas()["time"][0] == pd.Timestamp("2023-11-14T22:13:25.000000001Z")


def test_without_a_sender_its_columns_are_empty_not_zero() -> None:
    kernel = _row(relation="kernel")
    assert [kernel[name] for name in COLUMNS if name.startswith("sender_")] == [
        None,
        None,
        "",
        None,
        None,
        None,
        "",
    ]
    root = _row(sender_pid=42, sender_uid=0, sender_comm=b"runc")
    assert (root["sender_pid"], root["sender_uid"], root["sender_comm"]) == (42, 0, "runc")


def test_an_exit_says_how_the_process_ended_and_others_say_nothing() -> None:
    killed = _row(stage="exit", signal=0, exit_code=0x89)
    assert (killed["exit_code"], killed["exit_signal"]) == (0, 9)
    left = _row(stage="exit", signal=0, exit_code=3 << 8)
    assert (left["exit_code"], left["exit_signal"]) == (3, 0)
    assert _row()["exit_code"] is None


def test_unknown_codes_are_named_as_such_and_never_an_error() -> None:
    row = _row(stage=77, disposition=9, relation=200, signal=120)
    assert (row["stage"], row["disposition"], row["relation"]) == ("unknown:77", "unknown:9", "unknown:200")
    assert row["signal_name"] == "signal#120"
    assert row["verdict"] == "unknown"


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"a\x1b[31mb", "a\x1b[31mb"),
        (b"\xff\xfe\n", "\\xff\\xfe\n"),
        ("é\u202e".encode(), "é\u202e"),
        (b"", ""),
    ],
)
def test_comm_stays_faithful_and_its_json_is_harmless(raw: bytes, shown: str) -> None:
    row = _row(target_comm=raw)
    assert row["target_comm"] == shown
    line = json.dumps(row)
    assert line.isascii()
    assert line.isprintable()


def test_json_lines_are_what_json_makes_of_the_rows() -> None:
    rows = [
        record(target_comm=b'a"\\\x1b\xff%s{}', sender_pid=3, sender_comm="é\u202e".encode(), time=1),
        record(stage="exit", signal=0, disposition="", relation="", exit_code=0x89, target_start=1 << 63),
        record(stage=77, relation=99, signal=200, code=-2147483648),
    ]
    batch = Batch(np.concatenate(rows), 1_700_000_000_000_000_000, 'ho"st')
    assert list(batch.json_lines()) == [json.dumps(row) for row in batch.rows()]
    assert list(batch[:0].json_lines()) == []


@pytest.mark.parametrize("kind", EVERYTHING)
def test_json_lines_of_equal_records_are_equal_but_for_the_time(kind: npt.NDArray[np.void]) -> None:
    records = np.repeat(kind, 5)
    records["time"], records["target_comm"] = range(5), b"50%s %d%%"
    batch = Batch(records, 0, "100%")
    assert list(batch.json_lines()) == [json.dumps(row) for row in batch.rows()]
    records["time"] = 7
    assert list(batch.json_lines()) == [json.dumps(next(batch.rows()))] * 5


def test_an_empty_batch_has_all_columns_and_no_rows() -> None:
    batch = Batch(record()[:0], 0)
    assert list(batch.rows()) == []
    assert list(batch.to_pandas().columns) == COLUMNS


def test_pandas_gets_categories_nullable_numbers_and_utc() -> None:
    frame = Batch(np.concatenate([record(), record(signal=9, sender_pid=7)]), 0).to_pandas()
    assert frame["signal_name"].tolist() == ["SIGTERM", "SIGKILL"]
    assert isinstance(frame["verdict"].dtype, pd.CategoricalDtype)
    assert str(frame["time"].dtype) == "datetime64[ns, UTC]"
    assert frame["sender_pid"].isna().tolist() == [True, False]
    assert frame["unkillable"].dtype == bool


def test_a_mask_picks_rows() -> None:
    batch = Batch(np.concatenate([record(), record(result=0)]), 0)
    assert [row["verdict"] for row in batch[batch.verdicts == 1].rows()] == ["dropped_at_generate"]


def _counted(*rows: tuple[dict[str, object], int]) -> Counts:
    out = np.zeros(len(rows), COUNT)
    for index, (facts, count) in enumerate(rows):
        one = record(**facts)
        for member in ("stage", "signal", "result", "disposition", "relation", "flags", "nsid"):
            out[member][index] = one[member][0]
        out["count"][index] = count
    return Counts(out)


def test_counts_add_up_drops_by_namespace_most_first() -> None:
    counts = _counted(
        ({"nsid": 1}, 2), ({"nsid": 2}, 30), ({"nsid": 2, "signal": 2}, 3), ({"nsid": 3, "result": 0}, 500)
    )
    assert counts.dropped() == {2: 33, 1: 2}
    assert counts.signals_seen == 535
    assert [row["verdict"] for row in counts.rows()][-1] == "queued"
    assert counts.to_pandas()["count"].sum() == 535
