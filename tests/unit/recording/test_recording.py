"""The recording format: what was written is read, whatever happened to the file, the version or the disk."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import sigtrace
from sigtrace import text
from sigtrace.clock import TICK_NS
from sigtrace.errors import BadInput
from sigtrace.events import wire
from sigtrace.events.batch import Batch
from sigtrace.events.container import Container
from sigtrace.events.counts import COUNT, Counts
from sigtrace.events.nskey import NsKey
from sigtrace.live.snapshot_trigger import due
from sigtrace.recording import namespace_rows, schema
from sigtrace.recording.file import Contents
from sigtrace.recording.writer import Limits
from tests.builders.recordings import UTC, Made, Torn, another, made, terms
from tests.builders.records import record
from tests.unit.events.test_batch import COLUMNS

EVERYTHING = [
    record(time=1, sender_pid=5, sender_comm=b"runc", sender_uid=7, seq=9, cpu=3, ns_start=4, nsid=77),
    record(time=2, sender_comm=b"\xff\x1b\\x41", stage="deliver", disposition="handler", result=-1),
    record(time=3, stage="exit", signal=0, exit_code=0x89, flags=("init",), disposition=0, relation=0),
    record(time=4, target_comm=b"caf\xc3\xa9", signal=64, sender_start=1 << 60, sender_ns_level=3, code=-6),
]


def _facts(records: np.ndarray) -> list[tuple[object, ...]]:
    return [tuple(row) for row in records.tolist()]


def test_wire_records_come_back_as_they_were(tmp_path: Path) -> None:
    batch = sigtrace.open(made(tmp_path, *EVERYTHING)).batch()
    assert _facts(batch.records) == _facts(np.concatenate(EVERYTHING))
    assert batch.hosts.tolist() == ["web-1"] * 4


def test_the_table_has_the_public_columns_and_is_what_a_batch_gives(tmp_path: Path) -> None:
    recording = sigtrace.open(made(tmp_path, *EVERYTHING))
    events = recording.events()
    assert list(events.columns) == COLUMNS
    expected = Batch(np.concatenate(EVERYTHING), UTC, "web-1").to_pandas()
    names = [name for name in COLUMNS if isinstance(expected[name].dtype, pd.CategoricalDtype)]
    pd.testing.assert_frame_equal(
        events.astype(dict.fromkeys(names, str)), expected.astype(dict.fromkeys(names, str))
    )


def test_plain_pyarrow_reads_a_closed_segment_with_utc_times(tmp_path: Path) -> None:
    made(tmp_path, *EVERYTHING)
    table = pa.ipc.open_file(tmp_path / "events-000001.arrow").read_all()
    assert table.column_names[: len(COLUMNS)] == COLUMNS
    assert table.schema.field("time").type == pa.timestamp("ns", "UTC")
    assert table["signal_name"].to_pylist() == ["SIGTERM", "SIGTERM", "", "SIGRTMIN+30"]
    assert table["verdict"].to_pylist()[0] == "dropped_at_generate"


def test_an_altered_verdict_does_not_matter(tmp_path: Path) -> None:
    made(tmp_path, *EVERYTHING)
    path = tmp_path / "events-000001.arrow"
    table = pa.ipc.open_file(path).read_all()
    where = table.schema.get_field_index("verdict")
    lie = pa.array(["handled"] * 4).dictionary_encode().cast(table.schema.field("verdict").type)
    table = table.set_column(where, table.schema.field("verdict"), lie)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    recording = sigtrace.open(tmp_path)
    assert recording.events()["verdict"].tolist() == [
        "dropped_at_generate",
        "handled",
        "exited",
        "dropped_at_generate",
    ]
    assert recording.batch().columns()["verdict"].tolist()[0] == "dropped_at_generate"


def test_filters_take_what_they_say(tmp_path: Path) -> None:
    records = [record(time=n, nsid=70 + n % 3, signal=15 if n % 2 else 9) for n in range(10)]
    recording = sigtrace.open(made(tmp_path, *records))
    assert recording.batch(ns=71).records["time"].tolist() == [1, 4, 7]
    assert recording.batch(ns=[70, 72], signal=9).records["time"].tolist() == [0, 2, 6, 8]
    assert recording.batch(since=UTC + 3, until=UTC + 5).records["time"].tolist() == [3, 4]
    assert recording.events(ns=71, columns=["signal_name"]).columns.tolist() == ["signal_name"]
    assert recording.events(ns=71, columns=["signal_name"])["signal_name"].tolist() == [
        "SIGTERM",
        "SIGKILL",
        "SIGTERM",
    ]
    assert len(recording.events(ns=1)) == 0
    assert len(recording.events(since="2023-11-14T22:13:20.000000005Z")) == 10  # microseconds are the finest
    with pytest.raises(BadInput, match="no such column: colour"):
        recording.events(columns=["colour"])
    with pytest.raises(BadInput, match="'noon' is no time"):
        recording.events(since="noon")


def test_kernel_time_orders_events_across_a_step_of_the_wall_clock(tmp_path: Path) -> None:
    recording = Made(tmp_path)
    recording.add(record(time=100, target_pid=1))
    recording.add(record(time=200, target_pid=2), offset=UTC - 1_000_000)  # set back
    recording.close()
    events = sigtrace.open(tmp_path).events()
    assert events["target_pid"].tolist() == [1, 2]
    assert (events["time"].astype("i8") - UTC).tolist() == [100, 200 - 1_000_000]


def test_boots_in_one_directory_keep_apart(tmp_path: Path) -> None:
    made(tmp_path, *terms([5, 6], nsid=7), run=another(boot_id="b1"))
    made(tmp_path, *terms([1, 2], nsid=7), run=another(boot_id="b2", run="r2"))
    recording = sigtrace.open(tmp_path)
    assert [(boot[1], batch.records["time"].tolist()) for boot, batch in recording.boots()] == [
        ("b1", [5, 6]),
        ("b2", [1, 2]),
    ]
    assert recording.manifest["boot_id"] == "b2"


def test_several_hosts_are_read_as_one(tmp_path: Path) -> None:
    made(tmp_path / "a", *terms([1]))
    made(tmp_path / "b", *terms([2]), run=another(host="web-2"))
    recording = sigtrace.open([tmp_path / "a", tmp_path / "b"])
    assert recording.events()["host"].tolist() == ["web-1", "web-2"]
    assert recording.batch().hosts.tolist() == ["web-1", "web-2"]
    assert recording.hosts() == ["web-1", "web-2"]


def test_a_file_cut_anywhere_is_read_up_to_its_last_whole_batch(tmp_path: Path) -> None:
    torn = Torn(tmp_path / "torn")
    around_ends = {
        end + by for end in torn.ends for by in (-9, -8, -1, 0, 1, 8) if end + by <= len(torn.whole)
    }
    for cut in sorted({0, 1, 7, 8, 9, *around_ends, *range(16, len(torn.whole), 601)}):
        torn.cut(cut)


@pytest.mark.parametrize("tail", [bytes(64), b"\xff" * 64, bytes(range(64))], ids=["zeros", "ones", "noise"])
def test_garbage_after_a_power_cut_costs_nothing_but_itself(tmp_path: Path, tail: bytes) -> None:
    recording = Made(tmp_path)
    recording.add(*EVERYTHING)
    recording.crash()
    with open(tmp_path / "events-000001.arrow.open", "ab") as file:
        file.write(tail)
    read = sigtrace.open(tmp_path)
    assert len(read.batch()) == 4
    assert read.problems == [
        f"the recorder of {tmp_path} was cut short: up to a second before its end is missing",
        f"{tmp_path}/events-000001.arrow.open breaks off in mid-write: its last 64 bytes, "
        "at most a second's, are left out",
    ]


def test_a_complete_file_that_was_not_renamed_is_whole(tmp_path: Path) -> None:
    made(tmp_path, *EVERYTHING)
    os.rename(tmp_path / "events-000001.arrow", tmp_path / "events-000001.arrow.open")
    recording = sigtrace.open(tmp_path)
    assert len(recording.batch()) == 4
    assert not any("breaks off" in problem for problem in recording.problems)


def test_the_next_recorder_closes_what_a_dead_one_left_open(tmp_path: Path) -> None:
    dead = Made(tmp_path)
    dead.add(*EVERYTHING)
    dead.crash()
    made(tmp_path, *terms([9]), run=another(run="r2"))
    assert sorted(path.name for path in tmp_path.glob("events*")) == [
        "events-000001.arrow",
        "events-000002.arrow",
    ]
    recording = sigtrace.open(tmp_path)
    assert recording.batch().records["time"].tolist() == [1, 2, 3, 4, 9]
    assert recording.problems == []


def test_many_small_batches_become_few_when_a_segment_closes(tmp_path: Path) -> None:
    recording = Made(tmp_path)
    for time in range(50):
        recording.add(*terms([time], target_comm=b"app%d" % time))
    grown = (tmp_path / "events-000001.arrow.open").stat().st_size
    recording.close()
    assert (tmp_path / "events-000001.arrow").stat().st_size < grown / 5
    assert pa.ipc.open_file(tmp_path / "events-000001.arrow").num_record_batches == 1
    batch = sigtrace.open(tmp_path).batch()
    assert batch.columns()["target_comm"].tolist() == [f"app{n}" for n in range(50)]


def test_a_live_directory_is_read_without_complaint(tmp_path: Path) -> None:
    recording = Made(tmp_path)
    recording.add(*EVERYTHING)
    reader = sigtrace.open(tmp_path)
    assert (len(reader.batch()), reader.live, reader.problems) == (4, True, [])
    recording.add(*terms([10]))
    assert len(reader.batch()) == 5
    recording.close()
    assert (len(reader.batch()), reader.live, reader.problems) == (5, False, [])


def test_a_second_recorder_is_refused(tmp_path: Path) -> None:
    first = Made(tmp_path)
    with pytest.raises(BadInput, match="another recorder writes into"):
        Made(tmp_path)
    first.close()
    Made(tmp_path).close()


def test_foreign_corrupt_and_newer_files_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    made(tmp_path, *EVERYTHING)
    good = (tmp_path / "events-000001.arrow").read_bytes()
    (tmp_path / "events-000002.arrow").write_text("hello")
    (tmp_path / "events-000003.arrow").write_bytes(good[: len(good) // 2])
    foreign = pa.table({"a": [1]})
    with (
        pa.OSFile(str(tmp_path / "events-000004.arrow"), "wb") as sink,
        pa.ipc.new_file(sink, foreign.schema),
    ):
        pass
    later = Contents(tmp_path / "events-000001.arrow").table()
    later = later.replace_schema_metadata(
        {"sigtrace": json.dumps({"format": 2, "host": "", "boot_id": "", "run": ""})}
    )
    with (
        pa.OSFile(str(tmp_path / "events-000005.arrow"), "wb") as sink,
        pa.ipc.new_file(sink, later.schema) as new,
    ):
        new.write_table(later)
    (tmp_path / "notes.txt").write_text("mine")
    recording = sigtrace.open(tmp_path)
    assert len(recording.batch()) == 4
    assert [problem.removeprefix(f"{tmp_path}/") for problem in recording.problems] == [
        *(
            f"events-00000{number}.arrow is not a file of a recording, or is damaged: it is left out"
            for number in (2, 3, 4)
        ),
        "events-000005.arrow was written by a newer sigtrace (format 2; this one, 0.1.0, reads 1): "
        "upgrade sigtrace to read it",
    ]


def test_flipped_bits_never_break_the_reader(tmp_path: Path) -> None:
    made(tmp_path, *EVERYTHING * 50)
    path = tmp_path / "events-000001.arrow"
    good = bytearray(path.read_bytes())
    generator = np.random.default_rng(1)
    for place in generator.integers(0, len(good), 60).tolist():
        damaged = bytearray(good)
        damaged[place] ^= 1 << int(generator.integers(0, 8))
        path.write_bytes(damaged)
        recording = sigtrace.open(tmp_path)
        assert len(recording.batch()) in (0, 200)
        recording.events()


def test_a_newer_manifest_is_refused(tmp_path: Path) -> None:
    made(tmp_path, *EVERYTHING)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps({**manifest, "format": 2}))
    for attempt in (sigtrace.open, Made):
        with pytest.raises(BadInput, match="newer sigtrace"):
            attempt(tmp_path)


def test_what_is_no_recording_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path, says in (
        (tmp_path / "file", "not a directory"),
        (tmp_path / "no", "not a directory"),
        (tmp_path, "holds no recording"),
    ):
        with pytest.raises(BadInput, match=says):
            sigtrace.open(path)
    with pytest.raises(BadInput, match="is not a directory"):
        Made(tmp_path / "file")
    with pytest.raises(BadInput, match="does not exist: make that first"):
        Made(tmp_path / "no" / "such")


def test_retention_keeps_to_its_size_and_deletes_only_its_own(tmp_path: Path) -> None:
    (tmp_path / "events-000000.arrow").write_bytes(bytes(1 << 20))  # named like ours, but not ours
    (tmp_path / "keep.txt").write_text("mine")
    recording = Made(tmp_path, limits=Limits(max_bytes=60_000, max_age=1e9, rotate=0))
    for number in range(12):
        noise = np.random.default_rng(number).integers(0, 1 << 60, 400)
        recording.add(*terms(noise.tolist()))
    recording.close()
    mine = [path for path in tmp_path.glob("*.arrow*") if path.name != "events-000000.arrow"]
    assert 20_000 < sum(path.stat().st_size for path in mine) <= 60_000
    assert not (tmp_path / "events-000001.arrow").exists()
    assert (tmp_path / "events-000012.arrow").exists()
    assert (tmp_path / "events-000000.arrow").exists()
    assert (tmp_path / "keep.txt").read_text() == "mine"
    segments = json.loads((tmp_path / "manifest.json").read_text())["segments"]
    assert {f"{int(number):06d}" for number in segments} >= {path.name[7:13] for path in mine}


def test_retention_deletes_what_is_too_old(tmp_path: Path) -> None:
    made(tmp_path, *terms([1]))
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    manifest["segments"]["1"]["ended"] = 1
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    recording = Made(tmp_path, another(run="r2"), Limits(1 << 30, max_age=3600, rotate=1e9))
    recording.add(*terms([2]))
    recording.close()
    assert sigtrace.open(tmp_path).batch().records["time"].tolist() == [2]


_FILL = """
import resource, signal, sys
from pathlib import Path
from tests.builders.recordings import Made, terms
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
recording = Made(Path(sys.argv[1]))
recording.add(*terms([1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
recording.add(*terms(range(100000, 0, -7)))
recording.add(*terms([2, 3]))
assert recording.writer.stopped and len(recording.said) == 1, recording.said
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
recording.writer.flush()
recording.add(*terms([4]))
recording.close()
print(recording.writer.unwritten)
print("\\n".join(recording.said))
"""


def test_when_nothing_fits_it_says_so_once_goes_on_later_and_the_gap_is_recorded(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _FILL, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    lost = len(range(100000, 0, -7)) + 2
    unwritten, stopped, again = done.stdout.splitlines()
    assert int(unwritten) == lost
    assert stopped == (
        f"{tmp_path} cannot be written: File too large. Tracing goes on; recording will when it can: "
        "make room there, or let it end"
    )
    assert again == f"recording again after 0 s, in which {lost:,} events were not recorded"
    recording = sigtrace.open(tmp_path)
    assert recording.batch().records["time"].tolist() == [1, 4]
    assert len(recording.losses.gaps) == 1


def test_a_directory_that_vanishes_stops_the_writing_until_it_is_back(tmp_path: Path) -> None:
    where = tmp_path / "dir"
    recording = Made(where)
    recording.add(*terms([1]))
    shutil.rmtree(where)
    recording.add(*terms([2]))
    recording.add(*terms([3]))
    assert recording.writer.stopped
    assert "make the directory again" in recording.said[0]
    where.mkdir()
    recording.writer.flush()
    recording.add(*terms([4]))
    recording.close()
    assert len(recording.said) == 2
    assert sigtrace.open(where).batch().records["time"].tolist() == [4]


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


def test_kernel_text_survives(tmp_path: Path) -> None:
    for raw in (b"plain", b"\xff\xfe", b"caf\xc3\xa9", b"\\xff", b"\x1b[2J", b"a" * 16, b""):
        decoded = text.decode(raw)
        assert text.decode(schema.kernel_bytes(decoded)) == decoded


def test_every_fact_of_the_wire_record_is_kept() -> None:
    kept = {*schema.EVENT_COLUMNS, "exit_code"}
    members = [name for name in wire.EVENT.dtype().names or () if not name.startswith("pad")]
    assert [name for name in members if name not in kept] == []


def test_columns_that_sigtrace_had_not_yet_when_it_recorded_are_0_empty_or_null(tmp_path: Path) -> None:
    later = {
        "code": 0,
        "sender_uid": None,
        "sender_comm": "",
        "sender_parent_pid": None,
        "traced": False,
        "cpu": 0,
    }
    path = made(tmp_path, *EVERYTHING) / "events-000001.arrow"
    table = pa.ipc.open_file(path).read_all().drop_columns([*later])
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    recording = sigtrace.open(tmp_path)
    events = recording.events()
    assert list(events.columns) == COLUMNS
    assert events[["code", "traced", "sender_comm"]].to_numpy().tolist() == [[0, False, ""]] * 4
    assert events["sender_uid"].isna().all()
    assert recording.events(columns=["code"], signal=15)["code"].tolist() == [0, 0]
    assert len(recording.batch().records) == 4
    assert recording.batch().records["cpu"].tolist() == [0] * 4
    assert recording.batch().records["sender_pid"].tolist() == [5, 0, 0, 0]
    for _, part in recording.parts("events"):
        assert {name: part[name].to_pylist() for name in later} == {
            name: [v] * 4 for name, v in later.items()
        }
    assert recording.problems == []


def test_snapshots_are_due_for_inits_once_a_namespace_and_reason_but_never_for_the_whole_host() -> None:
    init = {"flags": ("unkillable", "init"), "ns_level": 1, "ns_start": 50_000_000_000}
    records = [
        *(record(**init, nsid=7) for _ in range(3)),
        record(**init, nsid=8, signal=9, result=0),
        record(**init, nsid=8, stage="exit", signal=0, result=-1),
        record(**init, nsid=9, disposition="handler", result=0),
        record(nsid=10, ns_level=1, flags=()),
        record(nsid=11, flags=("unkillable", "init"), ns_level=0),
    ]
    assert sorted(due(Batch(np.concatenate(records), 0, ""))) == [
        ("dropped", NsKey(7, 5000)),
        ("exited", NsKey(8, 5000)),
        ("killed", NsKey(8, 5000)),
        ("signalled", NsKey(9, 5000)),
    ]


def test_a_filter_needs_no_column_that_is_asked_for_also_while_it_is_recorded(tmp_path: Path) -> None:
    recording = Made(tmp_path)
    recording.add(record(time=1, nsid=7, signal=15), record(time=2, nsid=8, signal=15))
    opened = sigtrace.open(tmp_path)
    assert len(opened.events(ns=7, signal="TERM", columns=["target_comm"])) == 1
    recording.close()
    assert len(opened.events(ns=7, signal="TERM", columns=["target_comm"])) == 1


def test_a_reused_inode_is_told_apart_by_the_start_of_its_init(tmp_path: Path) -> None:
    starts = (500 * TICK_NS, 900 * TICK_NS)
    made(tmp_path, *(record(time=place, nsid=7, ns_start=start) for place, start in enumerate(starts)))
    opened = sigtrace.open(tmp_path)
    assert len(opened.events(ns=7)) == 2
    assert opened.batch(ns=[(7, starts[1])]).records["time"].tolist() == [1]


def test_below_a_container_is_not_what_was_below_another_user_of_its_inode(tmp_path: Path) -> None:
    recording = Made(tmp_path)
    reused = 4026532007
    nsids = (
        (reused, 500, 1),
        (8, 510, reused),
        (9, 520, 8),
        (reused, 900, 1),
        (6, 910, reused),
    )  # inode, start, parent
    rows = [
        {"time": 1, "nsid": nsid, "ns_start": start * TICK_NS, "parent_nsid": above, "ns_level": None}
        for nsid, start, above in nsids
    ]
    web = Container("ab" * 32, "web-1", "docker")
    rows += namespace_rows.named(3, [(NsKey(reused, 500), web)])
    recording.writer.rows("namespaces", schema.NAMESPACES, rows)
    recording.close()
    opened = sigtrace.open(tmp_path)
    found = opened.filter(container="web-1", descendants=True)
    assert (set(found.keys), found.inodes) == ({(reused, 500), (8, 510), (9, 520)}, frozenset())
    found = opened.filter(ns=str(reused), descendants=True)
    assert set(found.keys) == {(reused, 500), (reused, 900), (8, 510), (9, 520), (6, 910)}
    assert found.inodes == {reused}


def test_a_container_that_was_named_later_names_all_of_its_events(tmp_path: Path) -> None:
    recording = Made(tmp_path)
    recording.add(record(time=1, nsid=7, ns_start=500 * TICK_NS + 5), record(time=2, nsid=8))
    web = Container("ab" * 32, "web-1", "docker", "nginx", stop_signal="SIGQUIT")
    recording.writer.rows(
        "namespaces", schema.NAMESPACES, list(namespace_rows.named(3, [(NsKey(7, 500), web)]))
    )
    recording.close()
    opened = sigtrace.open(tmp_path)
    assert opened.events()["container_name"].tolist() == ["web-1", ""]
    assert len(opened.events(container="web-1")) == 1
    assert [row["image"] for row in opened.batch().rows()] == ["nginx", ""]
    assert list(opened.containers().values()) == [web]
    with pytest.raises(BadInput, match="no container in the recording is called 'web-2': did you mean web-1"):
        opened.events(container="web-2")


def test_containers_that_appear_one_after_the_other_are_all_recorded(tmp_path: Path) -> None:
    """An Arrow file takes a dictionary that grows, and none that changes."""
    names = ["web-1", "db", "", "cache", "web-1"]
    recording = Made(tmp_path)
    for number, name in enumerate(names):
        home = Container(f"id-{name}", name, "docker") if name else None
        batch = Batch(record(time=number, nsid=number), UTC, "h", lambda *_, home=home: home)  # type: ignore[misc]
        recording.writer.events(batch)
        recording.writer.flush()
    recording.close()
    (path,) = tmp_path.glob("events-*.arrow")
    with pa.ipc.open_file(path) as file:
        written = file.read_all()["container_name"].to_pylist()
    assert written == names
