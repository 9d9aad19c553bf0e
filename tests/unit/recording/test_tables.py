"""The tables beside the events: what many rows say of one thing."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import sigtrace
from sigtrace.events.counts import COUNT, Counts
from sigtrace.recording import schema
from sigtrace.snapshot.columns import COLUMNS, row
from sigtrace.units import SECOND
from tests.builders.recordings import UTC, Made, another


def _counts(*rows: tuple[int, int]) -> Counts:
    out = np.zeros(len(rows), COUNT)
    out["signal"], out["count"] = np.array(rows).T
    out["nsid"] = 7
    return Counts(out)


def test_totals_are_the_last_count_of_each_run_added_up(tmp_path: Path) -> None:
    for run, samples in (("r1", [((15, 1),), ((15, 5), (9, 2))]), ("r2", [((15, 10),), ((15, 10),)])):
        recording = Made(tmp_path, another(run=run))
        for number, rows in enumerate(samples, 1):
            recording.writer.counts(_counts(*rows), UTC + number)
        recording.close()
    counts = sigtrace.open(tmp_path).counts()
    found = counts.set_index("signal")
    assert found["count"].to_dict() == {15: 15, 9: 2}
    assert (found["first"].astype("i8") - UTC).to_dict() == {15: 1, 9: 2}
    assert (found["last"].astype("i8") - UTC).to_dict() == {15: 2, 9: 2}
    assert sigtrace.open(tmp_path).totals().signals_seen == 17


def test_losses_of_runs_add_up(tmp_path: Path) -> None:
    for run, lost in (("r1", 3), ("r2", 4)):
        recording = Made(tmp_path, another(run=run))
        recording.writer.rows(
            "losses", schema.LOSSES, [{"time": UTC, "lost": 1}, {"time": UTC + 1, "lost": lost}]
        )
        recording.close()
    assert sigtrace.open(tmp_path).losses.lost == 7


def test_losses_of_a_time_are_those_between_the_samples_around_it(tmp_path: Path) -> None:
    recording = Made(tmp_path)
    samples = [(0, 0), (100, 0), (101, 3), (200, 3), (201, 5)]
    rows = [{"time": UTC + at * SECOND, "lost": lost, "committed": at} for at, lost in samples]
    recording.writer.rows("losses", schema.LOSSES, rows)
    recording.close()
    read = sigtrace.open(tmp_path)

    def lost(since: float | None, until: float | None, boot: tuple[str, str] | None = None) -> int:
        times = (None if each is None else UTC + int(each * SECOND) for each in (since, until))
        return read.losses_between(*times, boot).lost

    assert (lost(None, None), lost(0, 99), lost(0, 100.5), lost(150, 199), lost(100.5, 300)) == (
        5,
        0,
        3,
        0,
        5,
    )
    assert lost(None, None, ("web-1", "b" * 32)) == 5
    assert lost(None, None, ("web-2", "b" * 32)) == 0


def test_a_namespace_is_one_row_from_birth_to_death(tmp_path: Path) -> None:
    start = 123_456_789_012
    known = {"nsid": 7, "ns_level": 1, "init_pid": 42, "parent_nsid": 1}
    recording = Made(tmp_path)
    recording.writer.rows(
        "namespaces",
        schema.NAMESPACES,
        [
            {
                **known,
                "time": UTC,
                "ns_start": start // 10_000_000 * 10_000_000,
                "init_comm": "sh",
                "born": UTC,
            },
            {"time": UTC, "nsid": 7, "ns_start": start, "init_comm": "app", "died": UTC + 5},
            {"time": UTC, "nsid": 7, "ns_start": start + 10**12, "init_comm": "reused"},
        ],
    )
    recording.close()
    table = sigtrace.open(tmp_path).namespaces()
    assert table[["nsid", "ns_start", "init_comm"]].to_numpy().tolist() == [
        [7, start, "app"],
        [7, start + 10**12, "reused"],
    ]
    assert table["died"].isna().tolist() == [False, True]
    assert table["container_name"].tolist() == ["", ""]


def test_a_column_that_older_snapshots_lack_is_empty_in_them(tmp_path: Path) -> None:
    older = {name: kind for name, kind in COLUMNS.items() if name not in ("session", "cmdline", "under_oom")}
    for columns, values in ((older, {"pid": 5}), (COLUMNS, {"pid": 6, "session": 6, "cmdline": "app"})):
        recording = Made(tmp_path, another(run=str(len(columns))))
        recording.writer.rows("snapshots", schema.row_schema(columns), [row(time=UTC) | values])
        recording.close()
    found = sigtrace.open(tmp_path).snapshots().set_index("pid")
    assert found["session"].to_dict() == {5: 0, 6: 6}
    assert found["cmdline"].to_dict() == {5: "", 6: "app"}
    assert [found[name].dtype.name for name in ("session", "cmdline", "under_oom")] == [
        "int64",
        "category",
        "bool",
    ]
