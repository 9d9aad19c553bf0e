"""What `sigtrace.export` writes, read back by the programs it is for."""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from pathlib import Path
from typing import Any, BinaryIO

import duckdb
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace, TrackDescriptor, TrackEvent

import sigtrace
from sigtrace.errors import BadInput
from sigtrace.events.counts import Counts
from sigtrace.export import csv as to_csv
from sigtrace.export import json as to_json
from sigtrace.export import new_path, parquet
from sigtrace.export import perfetto as to_perfetto
from sigtrace.export.source import Source
from sigtrace.recording import schema
from sigtrace.snapshot.columns import COLUMNS
from sigtrace.snapshot.columns import row as snapshot_row
from tests.builders.recordings import UTC, Made, another, made, terms
from tests.builders.records import counted, record, reloaded

SECOND = 10**9
NSID = 4026532249
INIT = {"nsid": NSID, "ns_start": 50_000_000, "ns_level": 1, "target_pid": 42, "target_comm": b"app"}
EVIL = b"=cmd()\x1b[2J"
TERMED, KILLED, EXITED = 2 * SECOND, 12 * SECOND, 12 * SECOND + 1_000_000


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A container that drops a SIGTERM and is killed after ten seconds, and a member of it that handles HUP."""
    recording = Made(tmp_path_factory.mktemp("story"))
    recording.add(
        record(**INIT, time=TERMED, sender_pid=9, sender_comm=EVIL),
        reloaded(NSID, 3 * SECOND),
        record(**INIT, time=KILLED, signal=9, result=0, sender_pid=10, sender_comm=b"runc", flags=("init",)),
        record(**INIT, time=EXITED, stage="exit", signal=0, result=-1, exit_code=9, flags=("init",)),
    )
    counts = [counted(record(**INIT), 7), counted(record(**INIT | {"nsid": 5}), 1)]
    recording.writer.counts(Counts(np.concatenate(counts)), UTC + 13 * SECOND)
    recording.writer.rows("losses", schema.LOSSES, [{"time": UTC, "lost": 1}])
    named = {"container_id": "c" * 64, "container_name": "web-1", "init_comm": "app", "ns_level": 1}
    rows = [
        {"time": UTC, "nsid": NSID, "ns_start": INIT["ns_start"], **named},
        {"time": UTC, "nsid": 5, "ns_start": 10**7},
    ]
    recording.writer.rows("namespaces", schema.NAMESPACES, rows)
    snapshots = [
        snapshot_row(time=UTC + TERMED, nsid=NSID, ns_start=5, trigger="dropped", comm="app"),
        snapshot_row(nsid=6),
    ]
    recording.writer.rows("snapshots", schema.row_schema(sigtrace.snapshot.COLUMNS), snapshots)
    recording.close()
    return recording.path


def _source(*paths: Path, **only: Any) -> Source:
    recording = sigtrace.open(paths)
    return Source(recording, recording.filter(**only))


def _bytes(write: Any, source: Source) -> bytes:
    out: BinaryIO = io.BytesIO()
    write(source, out)
    out.seek(0)
    return out.read()


def _trace(source: Source) -> Any:
    """The trace as Perfetto's own definitions read it, every field of it known to them."""
    raw = _bytes(to_perfetto.write, source)
    trace = Trace.FromString(raw)
    again = Trace.FromString(raw)
    again.DiscardUnknownFields()
    assert again == trace
    assert again.ByteSize() == len(raw)
    return trace


# --- JSON Lines and CSV ----------------------------------------------------------------------------------


def test_json_lines_are_those_of_watch(story: Path) -> None:
    lines = _bytes(to_json.write, _source(story)).decode("ascii").splitlines()
    assert lines == list(sigtrace.open(story).batch().json_lines())
    assert json.loads(lines[0])["sender_comm"] == EVIL.decode()
    assert json.loads(lines[0])["container_name"] == "web-1"


def test_csv_has_crlf_a_header_and_the_rows_of_json(story: Path) -> None:
    text = _bytes(to_csv.write, _source(story)).decode()
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    wanted = [json.loads(line) for line in _bytes(to_json.write, _source(story)).splitlines()]
    assert text.count("\r\n") == text.count("\n") == len(rows) + 1
    assert list(rows[0]) == list(wanted[0])
    plain = {True: "true", False: "false", None: ""}
    for row, values in zip(rows[1:], wanted[1:], strict=True):
        assert row == {
            name: plain[v] if v is None or v is True or v is False else str(v) for name, v in values.items()
        }


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("=cmd()", "'=cmd()"),
        ("+1", "'+1"),
        ("-bash", "'-bash"),
        ("@x", "'@x"),
        ("\t=x", "\\t=x"),
        ("\r=x", "\\r=x"),
        ("a\nb", "a\\nb"),
        ("\x1b[2J", "\\x1b[2J"),
        ('say "a,b"', 'say "a,b"'),
        ("信号", "信号"),
        ("", ""),
    ],
)
def test_no_text_is_a_formula_or_a_control_sequence_in_csv(name: str, cell: str) -> None:
    assert to_csv.cell(name) == cell


def test_numbers_keep_their_sign_in_csv(tmp_path: Path) -> None:
    path = made(tmp_path / "r", record(code=-6))
    (row,) = csv.DictReader(io.StringIO(_bytes(to_csv.write, _source(path)).decode()))
    assert (row["code"], row["sender_pid"]) == ("-6", "")


def test_a_filter_leaves_the_others_out(story: Path) -> None:
    source = _source(story, signal=(15,))
    assert len(_bytes(to_json.write, source).splitlines()) == source.written == 1
    assert len(_bytes(to_json.write, _source(story, since=UTC + KILLED)).splitlines()) == 2
    assert len(_bytes(to_json.write, _source(story, ns=((NSID, INIT["ns_start"]),))).splitlines()) == 3


# --- Parquet ---------------------------------------------------------------------------------------------


def test_parquet_has_every_table_with_utc_nanoseconds_and_dictionaries(story: Path, tmp_path: Path) -> None:
    assert parquet.write(_source(story), tmp_path) == []
    assert {path.name for path in tmp_path.glob("*.parquet")} == parquet.FILES
    events = pd.read_parquet(tmp_path / "events.parquet")
    assert str(events["time"].dtype) == "datetime64[ns, UTC]"
    assert events["time"].astype("i8").tolist()[0] == UTC + TERMED
    assert events["sender_comm"].astype(str).tolist()[0] == EVIL.decode()
    assert isinstance(events["sender_comm"].dtype, pd.CategoricalDtype)
    assert events["verdict"].astype(str).tolist() == ["dropped_at_generate", "handled", "queued", "exited"]
    assert set(events["container_name"][events["ns_start"] > 0].astype(str)) == {"web-1"}
    assert pd.read_parquet(tmp_path / "counts.parquet")["count"].sum() == 8
    assert pd.read_parquet(tmp_path / "losses.parquet")["lost"].tolist() == [1]
    assert pd.read_parquet(tmp_path / "snapshots.parquet")["host"].astype(str).unique().tolist() == ["web-1"]
    kinds = pq.read_schema(tmp_path / "namespaces.parquet")
    assert str(kinds.field("born").type) == "timestamp[ns, tz=UTC]"


def test_duckdb_reads_parquet_and_joins_it(story: Path, tmp_path: Path) -> None:
    parquet.write(_source(story), tmp_path)
    found = duckdb.sql(
        f"select n.container_name, e.signal_name, epoch_ns(e.time), e.sender_pid from '{tmp_path}/events.parquet' e "
        f"join '{tmp_path}/namespaces.parquet' n using (host, boot_id, nsid, ns_start) "
        "where e.verdict like 'dropped%'"
    ).fetchall()
    assert found == [("web-1", "SIGTERM", UTC + TERMED, 9)]


def test_filters_apply_to_every_table_and_counts_without_time_are_left_out(
    story: Path, tmp_path: Path
) -> None:
    said = parquet.write(_source(story, ns=((NSID, INIT["ns_start"]),), until=UTC + KILLED), tmp_path)
    assert said == ["counts have no time: counts.parquet is left out with --since and --until"]
    sizes = {path.stem: pq.read_metadata(path).num_rows for path in tmp_path.glob("*.parquet")}
    assert sizes == {"events": 1, "namespaces": 1, "snapshots": 1, "losses": 1}
    (tmp_path / "again").mkdir()
    assert parquet.write(_source(story, ns=(NSID,), signal=(15,)), tmp_path / "again") == []
    assert pd.read_parquet(tmp_path / "again/counts.parquet")["count"].tolist() == [7]


def test_many_small_batches_become_few_row_groups(tmp_path: Path) -> None:
    recording = Made(tmp_path / "r")
    for second in range(50):
        recording.add(*terms([second * SECOND]))
    recording.crash()
    parquet.write(_source(tmp_path / "r"), tmp_path)
    file = pq.ParquetFile(tmp_path / "events.parquet")
    assert (file.metadata.num_rows, file.metadata.num_row_groups) == (50, 1)


def test_several_hosts_are_told_apart(tmp_path: Path) -> None:
    paths = [made(tmp_path / name, *terms([SECOND]), run=another(host=name)) for name in ("a", "b")]
    out = tmp_path / "out"
    out.mkdir()
    parquet.write(_source(*paths), out)
    assert pd.read_parquet(out / "events.parquet")["host"].astype(str).tolist() == ["a", "b"]
    assert (
        len(
            {track.name for track in _tracks(_trace(_source(*paths)))}
            & {"PID namespaces of a", "PID namespaces of b"}
        )
        == 2
    )


# --- Perfetto --------------------------------------------------------------------------------------------


def _tracks(trace: Any) -> list[TrackDescriptor]:
    return [packet.track_descriptor for packet in trace.packet if packet.HasField("track_descriptor")]


def _events(trace: Any) -> list[tuple[int, TrackEvent]]:
    return [
        (packet.timestamp, packet.track_event) for packet in trace.packet if packet.HasField("track_event")
    ]


def _slices(trace: Any) -> dict[str, list[tuple[str, float]]]:
    """By track the slices that have an end, by their begin: name and seconds. As Perfetto nests them, by time."""
    names = {track.uuid: track.name for track in _tracks(trace)}
    found: dict[str, list[tuple[int, str, float]]] = defaultdict(list)
    stacks: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for time, event in sorted(_events(trace), key=lambda each: each[0]):
        if event.type == TrackEvent.TYPE_SLICE_BEGIN:
            stacks[event.track_uuid].append((time, event.name))
        elif event.type == TrackEvent.TYPE_SLICE_END:
            begin, name = stacks[event.track_uuid].pop()
            found[names[event.track_uuid]].append((begin, name, (time - begin) / 1e9))
    return {track: [(name, seconds) for _, name, seconds in sorted(each)] for track, each in found.items()}


def test_a_trace_is_one_that_perfetto_can_read(story: Path) -> None:
    trace = _trace(_source(story))
    seen = set()
    for packet in trace.packet:
        assert packet.trusted_packet_sequence_id == 1
        if packet.HasField("track_descriptor"):
            track = packet.track_descriptor
            assert track.uuid not in seen
            assert not track.HasField("parent_uuid") or track.parent_uuid in seen
            seen.add(track.uuid)
        if packet.HasField("track_event"):
            assert packet.track_event.track_uuid in seen
            assert packet.timestamp > UTC
    clocks = [packet.clock_snapshot for packet in trace.packet if packet.HasField("clock_snapshot")]
    assert [[(clock.clock_id, clock.timestamp) for clock in one.clocks] for one in clocks] == [
        [(6, UTC + TERMED), (1, UTC + TERMED)]
    ]


def test_a_stop_is_a_slice_with_its_grace_period_inside(story: Path) -> None:
    assert _slices(_trace(_source(story))) == {
        "web-1": [
            ("grace period: 10 s", 10.0),
            ("stop by SIGTERM: 10 s", 10.001),
            ("after SIGKILL", 0.001),
        ]
    }


def test_drops_kills_and_ends_are_instants_and_arrows_come_from_senders(story: Path) -> None:
    trace = _trace(_source(story))
    names = {track.uuid: track.name for track in _tracks(trace)}
    instants = [
        (
            names[event.track_uuid],
            event.name,
            list(event.categories),
            list(event.flow_ids),
            list(event.terminating_flow_ids),
        )
        for _, event in _events(trace)
        if event.type == TrackEvent.TYPE_INSTANT
    ]
    assert instants == [
        ("=cmd()\\x1b[2J", "SIGTERM to web-1", ["drop"], [1], []),
        ("web-1", "SIGTERM dropped: no handler", ["drop"], [], [1]),
        ("runc", "SIGKILL to web-1", ["kill"], [2], []),
        ("web-1", "SIGKILL queued", ["kill"], [], [2]),
        ("web-1", "killed by SIGKILL", ["life"], [], []),
    ]
    (drop,) = [event for _, event in _events(trace) if event.terminating_flow_ids == [1]]
    facts = {fact.name: fact.string_value for fact in drop.debug_annotations}
    assert facts["target"] == "app[42]"
    assert facts["sender"].startswith("=cmd()")


def test_a_request_that_was_dropped_and_never_ended_is_an_open_slice(tmp_path: Path) -> None:
    trace = _trace(_source(made(tmp_path / "r", record(**INIT, time=SECOND))))
    kinds = [event.type for _, event in _events(trace)]
    assert kinds.count(TrackEvent.TYPE_SLICE_BEGIN) == 1
    assert TrackEvent.TYPE_SLICE_END not in kinds
    assert [event.name for _, event in _events(trace)][-1] == "asked to stop by SIGTERM, runs on"


def test_a_storm_becomes_few_instants_that_say_how_many(tmp_path: Path) -> None:
    path = made(tmp_path / "r", *terms(range(SECOND, SECOND + 10_000_000, 1000), **INIT))
    trace = _trace(_source(path))
    instants = [event for _, event in _events(trace) if event.type == TrackEvent.TYPE_INSTANT]
    counts = [
        int(fact.string_value)
        for event in instants
        for fact in event.debug_annotations
        if fact.name == "count"
    ]
    assert len(instants) == 10
    assert sum(counts) == 10_000


def test_a_stop_is_counted_from_the_request_that_sigkill_followed_up(tmp_path: Path) -> None:
    person, runc = {"sender_comm": b"bash", "sender_pid": 9}, {"sender_comm": b"runc", "sender_pid": 7}
    asked = [record(**INIT, **person, time=SECOND), record(**INIT, **runc, time=6 * SECOND)]
    asked += [record(**INIT, **runc, time=6 * SECOND + 500_000)]  # within a millisecond: the same instant
    killed = record(**INIT, **runc, time=16 * SECOND, signal=9, result=0)
    gone = record(**INIT, time=17 * SECOND, stage="exit", signal=0, result=-1, exit_code=9, flags=("init",))
    path = made(tmp_path / "r", *asked, killed, gone)
    grace = ("grace period: 10 s", 9.9995)
    assert grace in _slices(_trace(_source(path)))[str(NSID)]
    part = _source(path, signal=15)
    assert grace in _slices(_trace(part))[str(NSID)]  # a stop is made of all of its signals


def test_a_step_of_the_wall_clock_changes_no_duration(tmp_path: Path) -> None:
    recording = Made(tmp_path / "r")
    recording.add(record(**INIT, time=SECOND))
    recording.add(
        record(**INIT, time=3 * SECOND, stage="exit", signal=0, result=-1, flags=("init",)),
        offset=UTC - 60 * SECOND,
    )
    recording.close()
    assert _slices(_trace(_source(tmp_path / "r"))) == {str(NSID): [("stop by SIGTERM: 2 s", 2.0)]}


def test_the_worst_namespace_comes_first(story: Path) -> None:
    ranks = {track.name: track.sibling_order_rank for track in _tracks(_trace(_source(story)))}
    assert ranks["web-1"] == 0
    assert ranks["PID namespaces of web-1"] < ranks["senders of web-1"]


# --- files appear whole ----------------------------------------------------------------------------------


def test_a_file_appears_only_when_it_is_complete(tmp_path: Path) -> None:
    with new_path.new_file(tmp_path / "out", False) as file:
        file.write(b"x")
        assert not (tmp_path / "out").exists()
    assert (tmp_path / "out").read_bytes() == b"x"
    assert list(tmp_path.iterdir()) == [tmp_path / "out"]


def _full(where: Path) -> None:
    with new_path.new_directory(where, False, parquet.FILES) as directory:
        (directory / "events.parquet").write_bytes(b"x")
        raise OSError("full")


def _full_file(where: Path) -> None:
    with new_path.new_file(where, True) as file:
        file.write(b"x")
        raise OSError("full")


def _taken_meanwhile(where: Path) -> None:
    with new_path.new_file(where, False) as file:
        file.write(b"x")
        where.write_bytes(b"theirs")


def test_what_fails_leaves_nothing_and_the_old_file_alone(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"old")
    with pytest.raises(OSError, match="full"):
        _full_file(tmp_path / "out")
    with pytest.raises(OSError, match="full"):
        _full(tmp_path / "dir")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("out", b"old")]


def test_a_name_that_somebody_else_took_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="exists: --force"):
        _taken_meanwhile(tmp_path / "out")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("out", b"theirs")]


def test_force_replaces_an_export_and_nothing_else(tmp_path: Path) -> None:
    mine, other = tmp_path / "mine", tmp_path / "other"
    for path, name in ((mine, "events.parquet"), (other, "thesis.tex")):
        path.mkdir()
        (path / name).write_text("old")
    with new_path.new_directory(mine, True, parquet.FILES) as where:
        (where / "counts.parquet").write_text("new")
    assert [path.name for path in mine.iterdir()] == ["counts.parquet"]
    with (
        pytest.raises(BadInput, match=r"contains thesis\.tex"),
        new_path.new_directory(other, True, parquet.FILES),
    ):
        pass
    assert (other / "thesis.tex").read_text() == "old"


def test_a_symbolic_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    with new_path.new_file(tmp_path / "link", True) as file:
        file.write(b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/dev/null", "is not a regular file: write to it with -o - and a redirection"),
        ("/nowhere/out", "/nowhere does not exist: create that first"),
        ("/etc/passwd/out", "is not a directory"),
        ("/tmp", "is a directory"),
    ],
)
def test_what_no_file_can_be_made_of_is_one_sentence(path: str, says: str) -> None:
    with pytest.raises(BadInput, match=says), new_path.new_file(Path(path), True):
        pass


def test_a_snapshot_after_the_init_was_gone_is_of_whoever_had_the_inode_then(tmp_path: Path) -> None:
    recording = Made(tmp_path / "r")
    lives = [
        {"nsid": 7, "ns_start": start * 10**9, "born": UTC + start * 10**9, "init_pid": start}
        for start in (10, 20)
    ]
    recording.writer.rows("namespaces", schema.NAMESPACES, [{"time": UTC, **life} for life in lives])
    rows = [
        snapshot_row(time=UTC + moment * 10**9, nsid=7, tid=moment) for moment in (15, 25)
    ]  # without a start
    recording.writer.rows("snapshots", schema.row_schema(COLUMNS), rows)
    recording.close()
    parquet.write(_source(tmp_path / "r", ns=[(7, 10 * 10**9)]), tmp_path)
    assert pq.read_table(tmp_path / "snapshots.parquet")["tid"].to_pylist() == [15]
