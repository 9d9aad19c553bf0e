"""Questions about a recording, as pandas: every answer has the columns its docstring lists, and says what happened."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import sigtrace
from sigtrace import frames
from sigtrace.errors import BadInput
from sigtrace.events.counts import Counts
from sigtrace.recording import schema
from sigtrace.recording.reader import Recording
from tests.builders.recordings import UTC, Made
from tests.builders.records import counted, record
from tests.builders.stories import (
    INIT,
    MEMBER,
    NSID,
    RUNC,
    SECOND,
    WEB,
    end,
    kill,
    recorded,
    recorded_stop,
)

ANSWERS: dict[str, Callable[[Any], pd.DataFrame]] = {
    "df_drops": frames.df_drops,
    "df_verdicts": frames.df_verdicts,
    "df_senders": frames.df_senders,
    "df_stops": frames.df_stops,
    "df_stop_durations": frames.df_stop_durations,
    "df_kill_latency": frames.df_kill_latency,
    "df_startup": frames.df_startup,
    "df_matrix": frames.df_matrix,
}
TABLES = {
    **{name: getattr(Recording, name) for name in ("events", "counts", "namespaces", "snapshots")},
    **{name: answer for name, answer in ANSWERS.items() if name != "df_matrix"},
}
_DTYPE = r"(?:datetime64\[ns, UTC\]|timedelta64\[ns\]|category|u?int\d+|U?Int\d+|bool)"


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """A container, web-1, whose stop took ten seconds."""
    return recorded_stop(tmp_path_factory.mktemp("story"))


def _at(seconds: float) -> pd.Timestamp:
    return pd.Timestamp(UTC + int(seconds * SECOND), tz="UTC")


def _documented(docstring: str) -> dict[str, str]:
    """Column -> dtype, as a docstring lists them; several names may share a dtype."""
    text = re.sub(r",\n\s+(?=\w)", ", ", docstring)  # a list of names that goes on
    text = re.sub(rf"\n\s+(?={_DTYPE}\s)", "  ", text)  # a dtype on a line of its own
    found = {}
    for names, dtype in re.findall(rf"^\s*(\w+(?:, \w+)*)\s+({_DTYPE})(?=\s)", text, re.M):
        found |= dict.fromkeys(names.split(", "), dtype)
    return found


@pytest.mark.parametrize("name", TABLES)
def test_the_docstring_lists_every_column_with_its_dtype(name: str, story: Recording) -> None:
    table = TABLES[name](story)
    expected = {column: str(dtype) for column, dtype in table.dtypes.items()}
    documented = _documented(TABLES[name].__doc__ or "")
    if name == "df_stop_durations":
        documented["container"] = "category"  # `by`
    assert documented == expected


@pytest.mark.parametrize("name", ANSWERS)
def test_nothing_in_gives_an_empty_table_of_the_same_columns(
    name: str, story: Recording, tmp_path: Path
) -> None:
    nothing = sigtrace.open(
        recorded(tmp_path / "nothing", [record(**MEMBER, time=1, signal=17)], host="web-2")
    )
    answers = [ANSWERS[name](nothing.events(ns=1)), ANSWERS[name](nothing) if name == "df_stops" else None]
    full = ANSWERS[name](story)
    for answer in answers:
        if answer is not None:
            assert len(answer) == 0
            if name != "df_matrix":
                assert answer.dtypes.astype(str).to_dict() == full.dtypes.astype(str).to_dict()


@pytest.mark.parametrize("name", ANSWERS)
def test_a_recording_and_its_event_table_give_the_same_answer(name: str, story: Recording) -> None:
    pd.testing.assert_frame_equal(ANSWERS[name](story), ANSWERS[name](story.events()))


@pytest.mark.parametrize("name", ANSWERS)
def test_a_table_without_the_columns_it_takes_is_refused_in_a_sentence(name: str) -> None:
    with pytest.raises(BadInput, match=r"the table has no column .*: give the event table"):
        ANSWERS[name](pd.DataFrame({"colour": ["red"]}))


def test_drops_are_counted_by_namespace_and_signal_in_bins(tmp_path: Path) -> None:
    times = [0.1, 0.2, 1.3, 5.5]
    records = [
        record(**{**INIT, "time": int(time * SECOND), "signal": 1 if time > 5 else 15}) for time in times
    ]
    drops = frames.df_drops(sigtrace.open(recorded(tmp_path / "r", records, WEB)), "1s")
    assert drops["time"].tolist() == [_at(0), _at(1), _at(5)]
    assert drops["count"].tolist() == [2, 1, 1]
    assert drops["signal_name"].tolist() == ["SIGTERM", "SIGTERM", "SIGHUP"]
    assert set(drops["container"]) == {"web-1"}
    assert drops["verdict"].cat.categories.tolist() == ["dropped_at_generate"]


def test_bins_fit_the_time_that_was_recorded(story: Recording) -> None:
    assert frames.nice_bin(pd.Series([_at(0), _at(90)])) == pd.Timedelta("1s")
    assert frames.nice_bin(pd.Series([_at(0), _at(7 * 86400)])) == pd.Timedelta("2h")
    assert frames.nice_bin(pd.Series([_at(0)])) == pd.Timedelta("1us")
    with pytest.raises(BadInput, match="'often' is not a span of time"):
        frames.df_drops(story, "often")
    with pytest.raises(BadInput, match="'-1s' is not a span of time"):
        frames.df_drops(story, "-1s")


def test_senders_say_who_sent_what_to_whom_and_who_is_behind_them(story: Recording) -> None:
    senders = frames.df_senders(story)
    first = senders.iloc[0]
    assert (first["sender"], first["sender_parent"], first["container"]) == (
        "runc",
        "containerd-shim",
        "web-1",
    )
    assert (first["target"], first["signal_name"], first["count"], first["dropped"]) == (
        "app",
        "SIGTERM",
        1,
        1,
    )
    assert first["first"] == first["last"] == _at(8)
    assert set(senders["sender"]) == {"runc", "app", "(kernel)"}
    assert frames.df_matrix(story).loc["runc", "web-1"] == 2
    assert frames.df_matrix(senders, "dropped").loc["runc", "web-1"] == 1
    with pytest.raises(BadInput, match="'colour' is not a value of the matrix"):
        frames.df_matrix(story, "colour")


def test_a_process_called_kernel_is_not_the_kernel(tmp_path: Path) -> None:
    records = [record(**INIT, time=1, sender_pid=5, sender_comm=b"kernel"), record(**MEMBER, time=2)]
    senders = frames.df_senders(sigtrace.open(recorded(tmp_path / "r", records)))
    assert sorted(senders["sender"]) == ["(unknown)", "kernel"]


def test_a_stop_is_one_row_with_its_grace_period_and_its_container(story: Recording) -> None:
    (stop,) = story.stops().to_dict("records")
    assert (stop["container"], stop["nsid"], stop["asked"]) == ("web-1", NSID, _at(8))
    assert (stop["signal_name"], stop["asked_by"], stop["dropped"], stop["killed"]) == (
        "SIGTERM",
        "runc",
        True,
        True,
    )
    assert stop["grace"] == pd.Timedelta("10s")
    assert stop["duration"] == pd.Timedelta("10.0004s")
    assert (stop["exit_signal"], stop["image"]) == (9, "shop/web:3")
    assert len(story.stops(ns=1)) == 0
    assert len(story.stops(container="web-1")) == 1


def test_an_init_that_still_runs_has_no_exit(tmp_path: Path) -> None:
    stops = sigtrace.open(recorded(tmp_path / "r", [record(**INIT, time=SECOND)])).stops()
    assert stops[["exited", "duration", "grace", "exit_code"]].isna().all(axis=None)
    assert stops["killed"].tolist() == [False]


def test_durations_are_summed_up_per_container_or_by_what_one_likes(tmp_path: Path) -> None:
    records = []
    for number, seconds in enumerate([1, 2, 30]):
        start = {"ns_start": (number + 1) * SECOND, "target_start": (number + 1) * SECOND}
        records += [
            record(**{**INIT, **start, "time": 100 * SECOND}),
            end((100 + seconds) * SECOND, 0, {**INIT, **start}),
        ]
    records.append(record(**{**INIT, "nsid": 5, "time": 200 * SECOND}))
    durations = frames.df_stop_durations(sigtrace.open(recorded(tmp_path / "r", records)))
    first, second = durations.to_dict("records")
    assert (first["container"], first["stops"], first["dropped"], first["killed"]) == (str(NSID), 3, 3, 0)
    assert (first["p50"], first["longest"]) == (pd.Timedelta("2s"), pd.Timedelta("30s"))
    assert (second["stops"], second["unfinished"], pd.isna(second["longest"])) == (0, 1, True)
    stops = frames.df_stops(sigtrace.open(tmp_path / "r"))
    assert frames.df_stop_durations(stops, ["signal_name", "host"])["stops"].tolist() == [3]
    with pytest.raises(BadInput, match="stops have no column colour"):
        frames.df_stop_durations(stops, "colour")


KERNEL: dict[str, Any] = {"relation": "kernel", "sender_pid": 0, "code": 128, "context_pid": 4250}
BY = {"sender_pid": 900, "sender_comm": b"systemd"}


@pytest.mark.parametrize(
    ("sent", "requests", "killed", "grace"),
    [
        ({**BY, "flags": ("init", "unkillable", "noinfo")}, 2, True, pd.Timedelta("3s")),  # cgroup.kill
        (
            {**BY, "flags": ("init", "unkillable", "noinfo"), "sender_flags": 1},
            1,
            True,
            None,
        ),  # PR_SET_PDEATHSIG
        ({**BY, "flags": ("init", "unkillable", "noinfo"), "sender_flags": 2}, 2, True, pd.Timedelta("3s")),
        ({**KERNEL, "flags": ("init", "unkillable"), "context_nsid": NSID}, 1, False, None),  # reboot(2)
        ({**KERNEL, "flags": ("init", "unkillable", "group"), "context_nsid": NSID}, 1, True, None),
    ],
)
def test_a_table_of_events_has_the_stops_of_its_recording_however_they_ended(
    tmp_path: Path, sent: dict[str, Any], requests: int, killed: bool, grace: Any
) -> None:
    asked = record(**INIT, **BY, time=8 * SECOND, result=0, disposition="handler")
    records = [asked, kill(11 * SECOND, **sent), end(12 * SECOND)]
    recording = sigtrace.open(recorded(tmp_path / "r", records, WEB))
    assert len(recording.events(columns=["origin"])) == len(records)
    for source in (recording, recording.events()):
        (stop,) = frames.df_stops(source).to_dict("records")
        assert (stop["requests"], stop["killed"], stop["asked_by"]) == (requests, killed, "systemd")
        assert stop["grace"] == grace or (grace is None and pd.isna(stop["grace"]))


def test_kill_latency_goes_from_generate_to_deliver_to_exit(story: Recording) -> None:
    init, member = frames.df_kill_latency(story).to_dict("records")
    assert (init["target_pid"], init["is_init"], init["sender_comm"]) == (4242, True, "runc")
    assert init["to_deliver"] == pd.Timedelta("80us")
    assert init["to_exit"] == pd.Timedelta("320us")
    assert init["total"] == pd.Timedelta("400us")
    assert (pd.isna(member["delivered"]), member["total"]) == (True, pd.Timedelta("400us"))
    assert len(frames.df_kill_latency(story, "USR1")) == 1
    with pytest.raises(BadInput, match="did you mean TERM"):
        frames.df_kill_latency(story, "TREM")


def test_the_start_up_window_lies_between_the_last_drop_and_the_first_handler(tmp_path: Path) -> None:
    alive = ("init", "unkillable")
    records = [
        record(**INIT, time=5 * SECOND, stage="init", signal=0, result=-1, flags=alive),
        record(**INIT, time=6 * SECOND),
        record(**INIT, time=7 * SECOND),
        record(**INIT, time=9 * SECOND, result=0, disposition="handler"),
        record(**INIT, time=10 * SECOND),  # the handler is gone again
        record(**INIT, time=6 * SECOND, signal=9, relation="same"),
    ]
    (row,) = frames.df_startup(sigtrace.open(recorded(tmp_path / "r", records, WEB))).to_dict("records")
    assert (row["signal_name"], row["container"], row["dropped"]) == ("SIGTERM", "web-1", 2)
    assert (row["deaf_at_least"], row["deaf_at_most"]) == (pd.Timedelta("2s"), pd.Timedelta("4s"))
    assert row["handled_first"] == _at(9)


def test_namespaces_have_the_kernels_exact_drops_or_the_events_if_those_are_more(tmp_path: Path) -> None:
    recording = Made(tmp_path)
    recording.add(record(**INIT, time=8 * SECOND))
    recording.writer.counts(Counts(counted(record(**INIT), 7)), UTC)
    other = {"nsid": 5, "ns_start": SECOND, "target_start": SECOND}
    recording.add(record(**{**INIT, **other}, time=9 * SECOND))
    rows = [{"time": UTC, **WEB}, {"time": UTC, "nsid": 5, "ns_start": SECOND + 5}]
    recording.writer.rows("namespaces", schema.NAMESPACES, rows)
    recording.close()
    table = frames.df_namespaces(sigtrace.open(tmp_path))
    assert table[["container", "dropped"]].to_numpy().tolist() == [["web-1", 7], ["5", 1]]


def test_containers_go_by_name_and_by_host_where_there_are_several(tmp_path: Path) -> None:
    one = recorded(tmp_path / "a", [record(**INIT, time=1)], WEB)
    other = recorded(tmp_path / "b", [record(**INIT, time=2)], host="web-2")
    assert frames.df_drops(sigtrace.open(one))["container"].tolist() == ["web-1"]
    assert frames.df_drops(sigtrace.open([one, other]))["container"].tolist() == [
        "web-1: web-1",
        f"web-2: {NSID}",
    ]


def test_kills_and_exits_of_a_reused_pid_stay_apart(tmp_path: Path) -> None:
    again = {**MEMBER, "target_start": 20 * SECOND}
    records = [kill(SECOND, MEMBER, **RUNC), end(2 * SECOND, who=MEMBER), kill(21 * SECOND, again, **RUNC)]
    latency = frames.df_kill_latency(sigtrace.open(recorded(tmp_path / "r", records)))
    assert latency["exited"].isna().tolist() == [False, True]


@pytest.mark.parametrize("name", [*TABLES, "df_namespaces"])
def test_the_library_page_lists_every_column_with_its_dtype(name: str, story: Recording) -> None:
    page = (Path(__file__).parents[3] / "docs" / "library.md").read_text()
    heading = name if name.startswith("df_") and name != "df_stops" else name.removeprefix("df_") + "()"
    section = page.partition(f"### {heading}\n")[2].partition("\n### ")[0]
    listed = {
        column: dtype
        for names, dtype in re.findall(rf"^\| ((?:`\w+` ?)+) \| ({_DTYPE}) \|", section, re.M)
        for column in re.findall(r"`(\w+)`", names)
    }
    table = TABLES[name](story) if name in TABLES else frames.df_namespaces(story)
    expected = {column: str(dtype) for column, dtype in table.dtypes.items()}
    if name == "df_namespaces":
        expected = {column: expected[column] for column in ("container", "dropped")}
    if name == "df_stop_durations":
        del expected["container"]  # `by`
    assert listed == expected
