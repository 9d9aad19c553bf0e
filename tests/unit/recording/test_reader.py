"""What was written is read: as wire records, as the public table, by boot and by host."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import sigtrace
from sigtrace.clock import TICK_NS
from sigtrace.errors import BadInput
from sigtrace.events.batch import Batch
from sigtrace.events.columns import EVENT_FIELDS
from sigtrace.events.container import Container
from sigtrace.events.field import names
from sigtrace.events.nskey import NsKey
from sigtrace.recording import namespace_rows, schema
from tests.builders.recordings import UTC, Made, another, made, terms
from tests.builders.records import EVERYTHING, record

COLUMNS = list(names(EVENT_FIELDS))


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
    assert recording.batch(since="2023-11-14T22:13:20.000000005Z").records["time"].tolist() == [5, 6, 7, 8, 9]
    with pytest.raises(BadInput, match="no such column: colour"):
        recording.events(columns=["colour"])
    with pytest.raises(BadInput, match="'noon' is not a time"):
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


def test_a_live_directory_is_read_without_complaint(tmp_path: Path) -> None:
    recording = Made(tmp_path)
    recording.add(*EVERYTHING)
    reader = sigtrace.open(tmp_path)
    assert (len(reader.batch()), reader.live, reader.problems) == (4, True, [])
    recording.add(*terms([10]))
    assert len(reader.batch()) == 5
    recording.close()
    assert (len(reader.batch()), reader.live, reader.problems) == (5, False, [])


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


def test_a_filter_needs_no_column_that_is_asked_for_also_while_it_is_recorded(tmp_path: Path) -> None:
    recording = Made(tmp_path)
    recording.add(record(time=1, nsid=7, signal=15), record(time=2, nsid=8, signal=15))
    opened = sigtrace.open(tmp_path)
    assert len(opened.events(ns=7, signal="TERM", columns=["target_comm"])) == 1
    recording.close()
    assert len(opened.events(ns=7, signal="TERM", columns=["target_comm"])) == 1


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


def test_events_of_several_hosts_are_in_the_order_of_utc_however_long_each_has_been_up(
    tmp_path: Path,
) -> None:
    for host, up, offset in (("web-1", 10, 0), ("web-2", 5, 100)):
        recording = Made(tmp_path / host, another(host=host, boot_id=host))
        recording.add(record(time=up, nsid=7), record(time=up + 1, nsid=8), offset=UTC + offset)
        recording.close()
    events = sigtrace.open([tmp_path / "web-2", tmp_path / "web-1"]).events()
    assert events["host"].tolist() == ["web-1", "web-1", "web-2", "web-2"]
    assert events["nsid"].tolist() == [7, 8, 7, 8]
    assert events["time"].is_monotonic_increasing


def test_a_step_back_of_the_wall_clock_reorders_nothing(tmp_path: Path) -> None:
    recording = Made(tmp_path)
    recording.add(record(time=1000, nsid=7), offset=UTC)
    recording.add(record(time=1001, nsid=8), offset=UTC - 500)
    recording.close()
    assert sigtrace.open(tmp_path).events()["nsid"].tolist() == [7, 8]


def test_a_recording_without_its_manifest_still_knows_its_hosts(tmp_path: Path) -> None:
    made(tmp_path, *EVERYTHING)
    (tmp_path / "manifest.json").unlink()
    assert sigtrace.open(tmp_path).hosts() == ["web-1"]


def test_a_namespace_that_appears_while_it_is_recorded_can_be_named_at_once(tmp_path: Path) -> None:
    recording = Made(tmp_path)
    recording.add(record(time=1, nsid=4026532001, ns_start=TICK_NS))
    opened = sigtrace.open(tmp_path)
    assert len(opened.events(ns="4026532001")) == 1
    recording.add(record(time=2, nsid=4026532002, ns_start=2 * TICK_NS))
    assert len(opened.events(ns="4026532002")) == 1
    recording.close()


def test_inodes_may_be_numbers_of_a_table(tmp_path: Path) -> None:
    made(tmp_path, record(time=1, nsid=7), record(time=2, nsid=8), record(time=3, nsid=9))
    recording = sigtrace.open(tmp_path)
    nsid = recording.events()["nsid"]
    assert recording.events(ns=nsid.iloc[0])["nsid"].tolist() == [7]
    assert recording.events(ns=nsid.unique()[1:])["nsid"].tolist() == [8, 9]
