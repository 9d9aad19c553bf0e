"""Pictures: what stands out, what is counted, what is harmless, and that they can be read on light and dark ground."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import sigtrace
from sigtrace import frames, plot
from sigtrace.errors import BadInput
from sigtrace.events.batch import Batch
from sigtrace.events.outcome import KINDS
from sigtrace.plot.style import COLOURS, GREY, PURPLE, VERMILLION
from sigtrace.recording.reader import Recording
from tests.builders.recordings import UTC
from tests.builders.records import record
from tests.builders.stories import INIT, MEMBER, NSID, SECOND, WEB, end, recorded, stop_of_ten_seconds, storm
from tests.conftest import require

PICTURES: dict[str, Callable[[Any], plot.Picture]] = {
    "timeline": plot.timeline,
    "drops_over_time": plot.drops_over_time,
    "senders": plot.senders,
    "stop_durations": plot.stop_durations,
}


@pytest.fixture
def story(tmp_path: Path) -> Recording:
    """A container, web-1, whose stop took ten seconds."""
    return sigtrace.open(recorded(tmp_path / "story", stop_of_ten_seconds(), WEB))


@pytest.fixture(scope="module")
def million() -> pd.DataFrame:
    return storm(1_000_000).to_pandas()


def _values(chart: plot.Picture) -> list[dict[str, Any]]:
    """All that the picture shows, a dict a mark."""
    found: list[dict[str, Any]] = []

    def walk(spec: Any) -> None:
        if isinstance(spec, dict):
            for key, each in spec.items():
                if key == "datasets":
                    found.extend(row for rows in each.values() for row in rows)
                elif key == "values" and isinstance(each, list) and each and isinstance(each[0], dict):
                    found.extend(each)
                else:
                    walk(each)
        elif isinstance(spec, list):
            for each in spec:
                walk(each)

    walk(chart.to_dict())
    return found


def _layers(chart: plot.Picture) -> list[dict[str, Any]]:
    """The layers of a picture with the rows that each shows."""
    spec = chart.to_dict()
    for layer in spec["layer"]:
        data = layer.get("data", {})
        layer["rows"] = data.get("values") or spec.get("datasets", {}).get(data.get("name"), [])
    layers: list[dict[str, Any]] = spec["layer"]
    return layers


def _texts(chart: plot.Picture) -> str:
    return re.sub(r"<[^>]*>", " ", plot.svg(chart))


def _subtitle(chart: plot.Picture) -> str:
    return " ".join(chart.to_dict()["title"]["subtitle"])


# What stands out -------------------------------------------------------------------------------------


def test_a_drop_stands_out_in_the_timeline(story: Recording) -> None:
    chart = plot.timeline(story)
    sent = ["dropped as it was sent"]
    (drop,) = [layer for layer in _layers(chart) if [row.get("outcome") for row in layer["rows"]] == sent
               and layer["mark"]["type"] == "point" and "shape" in layer["encoding"]]  # fmt: skip
    assert drop["rows"][0]["lane"] == "init: app[4242]"
    assert drop["rows"][0]["what"] == "dropped: no handler"
    assert drop["rows"][0]["who"] == "runc[1809], child of containerd-shim"
    scales = {name: drop["encoding"][name]["scale"] for name in ("color", "shape")}
    assert scales["color"]["range"][scales["color"]["domain"].index("dropped as it was sent")] == VERMILLION
    assert (
        scales["shape"]["range"][scales["shape"]["domain"].index("dropped as it was sent")]
        == KINDS["dropped"].glyph
    )
    assert VERMILLION.lower() in plot.svg(chart).lower()
    assert "SIGTERM" in _texts(chart)


def test_the_grace_period_is_a_band_and_the_kill_a_line(story: Recording) -> None:
    layers = _layers(plot.timeline(story))
    (band,) = [layer for layer in layers if layer["mark"]["type"] == "rect"]
    (row,) = band["rows"]
    assert (row["until"] - row["time"], row["stop"]) == (10_000, "grace period: 10 s")
    (line,) = [layer for layer in layers if layer["mark"].get("strokeDash")]
    assert (line["mark"]["color"], [row["stop"] for row in line["rows"]]) == (PURPLE, ["SIGKILL"])
    assert "asked to stop by runc with SIGTERM: dropped; killed by SIGKILL 10 s later" in _subtitle(
        plot.timeline(story)
    )


def test_the_timeline_has_lanes_for_senders_the_init_and_members_and_names_the_container(
    story: Recording,
) -> None:
    chart = plot.timeline(story)
    texts = _texts(chart)
    for lane in (
        "from runc",
        "from app",
        "from the kernel",
        "init: app[4242]",
        "worker[4250]",
    ):
        assert lane in texts
    assert "Signals over time: web-1 (PID namespace 4026532249)" in texts
    assert "time (UTC), 2023-11-14" in texts


def test_a_namespace_without_a_container_goes_by_its_inode() -> None:
    events = Batch(record(**INIT, time=SECOND), UTC, "web-1").to_pandas()
    assert plot.timeline(events).to_dict()["title"]["text"] == f"Signals over time: {NSID}"


@pytest.mark.parametrize(
    ("span_ns", "labels"),
    [
        (60_000_000_000, ["00:00:15", "00:00:30", "00:00:45"]),
        (350_000_000, ["00:00:05.050", "00:00:05.100", "00:00:05.300"]),
        (5_000_000, ["00:00:05.001", "00:00:05.004"]),
        (180_000, ["0 us", "50 us", "100 us", "150 us"]),
    ],
)
def test_an_axis_of_time_has_several_labels_however_short_it_is(span_ns: int, labels: list[str]) -> None:
    events = [record(**INIT, time=5 * SECOND + step * span_ns // 10) for step in range(11)]
    offset = 1_699_920_000 * SECOND  # midnight
    table = Batch(np.concatenate(events), offset, "h").to_pandas()
    drawn = re.findall(r">([^<>]+)</text>", plot.svg(plot.timeline(table)))
    assert [label for label in labels if label not in drawn] == []


def test_a_timeline_of_several_namespaces_asks_which(story: Recording) -> None:
    events = pd.concat([story.events(), story.events().assign(nsid=7)])
    with pytest.raises(BadInput, match=rf"here are 2: give ns, one of {NSID}, 7"):
        plot.timeline(events)
    assert "10 events" in _subtitle(plot.timeline(events, NSID))
    assert "2 events" in _subtitle(
        plot.timeline(events, NSID, since=UTC + 8 * SECOND, until=UTC + 9 * SECOND + 1)
    )
    assert "2 events" in _subtitle(
        plot.timeline(story, NSID, since=UTC + 8 * SECOND, until=UTC + 9 * SECOND + 1)
    )


def test_drops_over_time_are_stacked_by_verdict() -> None:
    times = [1, 1, 1, 2, 30]
    records = [record(**INIT, time=time * SECOND, stage="deliver" if number == 2 else "generate",
                      result=-1 if number == 2 else 1) for number, time in enumerate(times)]  # fmt: skip
    chart = plot.drops_over_time(Batch(np.concatenate(records), UTC, "web-1").to_pandas(), "1s")
    rows = [(row["kind"], row["count"], row["low"], row["high"]) for row in _values(chart)]
    assert rows == [
        ("dropped as it was sent", 2, 0, 2),
        ("dropped at delivery", 1, 2, 3),
        ("dropped as it was sent", 1, 0, 1),
        ("dropped as it was sent", 1, 0, 1),
    ]
    texts = _texts(chart)
    assert "signals per 1 s" in texts
    assert "5 signals in bins of 1 s" in texts


def test_everything_that_became_of_signals_can_be_stacked(story: Recording) -> None:
    kinds = {row["kind"]: row["count"] for row in _values(plot.drops_over_time(story, "1h", everything=True))}
    assert kinds == {"dropped as it was sent": 1, "queued": 3, "handled": 1, "default action": 1}


def test_the_matrix_says_how_many_and_shows_where_signals_were_dropped(story: Recording) -> None:
    cells = {row["sender"]: row for row in _values(plot.senders(story)) if "drops" in row}
    assert (cells["runc"]["count"], cells["runc"]["dropped"], cells["runc"]["drops"]) == (
        2,
        1,
        "some dropped",
    )
    assert (cells["app"]["container"], cells["app"]["drops"]) == ("web-1", "none dropped")


def test_many_senders_and_namespaces_share_a_row_and_a_column() -> None:
    table = pd.DataFrame({"sender": [f"s{n}" for n in range(50)], "container": [f"c{n}" for n in range(50)],
                          "count": range(50, 0, -1), "dropped": 0})  # fmt: skip
    cells = _values(plot.senders(table))
    assert {row["sender"] for row in cells} >= {"s0", "s19", "other senders"}
    assert len({row["sender"] for row in cells}) == 21
    assert sum(row["count"] for row in cells) == sum(range(51))


def test_stop_durations_tell_the_killed_from_those_that_exited() -> None:
    records = []
    for number, (seconds, status) in enumerate([(0.2, 0), (0.2, 0), (10, 9), (10, 9), (10, 9)]):
        its = {**INIT, "ns_start": number + 1, "target_start": number + 1}
        records += [record(**its, time=SECOND), end(int((1 + seconds) * SECOND), status, its)]
    records.append(record(**{**INIT, "nsid": 7}, time=SECOND))
    chart = plot.stop_durations(Batch(np.concatenate(records), UTC, "web-1").to_pandas())
    bars = {row["end"]: (row["count"], row["from"] <= 10 < row["to"]) for row in _values(chart)}
    assert bars == {"exited by itself": (2, False), "ended by SIGKILL": (3, True)}
    assert "5 stops: median 10 s" in _subtitle(chart)
    assert "1 request without an exit" in _subtitle(chart)
    assert {"10 ms", "10 s", "1 min"} <= set(re.findall(r"\d+ (?:ms|s|min)", _texts(chart)))


def test_the_tree_shows_namespaces_below_their_parents_with_their_drops(story: Recording) -> None:
    rows = {row["nsid"]: row for row in _values(plot.tree(story)) if "nsid" in row}
    assert (rows[4026531836]["depth"], rows[NSID]["depth"], rows[NSID]["parent"]) == (0, 1, 0)
    assert "web-1 · app · 4026532249: 1 signal dropped" in _texts(plot.tree(story))
    assert (rows[NSID]["state"], rows[4026531836]["state"]) == ("ended", "alive")


def test_a_tree_of_many_namespaces_keeps_the_most_troubled_and_says_so(tmp_path: Path) -> None:
    rows = [{"nsid": 100 + n, "ns_start": SECOND + n * 10**7, "parent_nsid": 4026531836} for n in range(200)]
    its = {**INIT, "nsid": 290, "ns_start": SECOND + 190 * 10**7, "target_start": SECOND + 190 * 10**7}
    chart = plot.tree(sigtrace.open(recorded(tmp_path / "r", [record(**its, time=9 * SECOND)], *rows)))
    shown = {row["nsid"] for row in _values(chart) if "nsid" in row}
    assert {4026531836, 290} <= shown
    assert len(shown) == 60
    assert "201 namespaces, 1 signal dropped" in _subtitle(chart)
    assert "141 namespaces with the fewest drops not shown" in _subtitle(chart)


# None, one, a million --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_of_nothing_says_so(name: str, story: Recording) -> None:
    chart = PICTURES[name](story.events(ns=1))
    assert re.search(r"no events|no signals|none among 0|no stop", _texts(chart))


def test_a_tree_of_nothing_says_so(tmp_path: Path) -> None:
    path = recorded(tmp_path / "r", [record(**INIT, time=1)])
    for file in path.glob("namespaces-*"):
        file.unlink()
    assert "none was recorded" in _texts(plot.tree(sigtrace.open(path)))


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_of_one_event_can_be_drawn(name: str) -> None:
    events = Batch(record(**INIT, time=SECOND), UTC, "web-1").to_pandas()
    for chart in (PICTURES[name](events), PICTURES[name](events).dark()):
        assert plot.png(chart).startswith(b"\x89PNG")
        assert "NaN" not in plot.svg(chart)


@pytest.mark.parametrize("name", ["timeline", "drops_over_time", "senders"])
def test_a_million_events_are_counted_before_they_are_drawn_and_it_says_so(
    name: str, million: pd.DataFrame
) -> None:
    chart = PICTURES[name](million)
    spec = json.dumps(chart.to_dict())
    assert len(spec) < 500_000
    assert len(_values(chart)) < 4000
    said = {
        "timeline": r"1,000,000 events, .* counted in bins of 10 s",
        "drops_over_time": r"[\d,]+ signals in bins of 10 s",
        "senders": r"\d{3},\d{3} signals sent",
    }
    assert re.search(said[name], _subtitle(chart))


def test_no_event_is_lost_when_a_timeline_is_counted(million: pd.DataFrame) -> None:
    rows = [row for row in _values(plot.timeline(million)) if "count" in row]
    to_targets = [row for row in rows if not row["lane"].startswith(("from ", "other senders"))]
    assert sum(row["count"] for row in to_targets) == 1_000_000
    dropped = sum(row["count"] for row in to_targets if row["outcome"].startswith("dropped"))
    assert dropped == million["verdict"].isin(["dropped_at_generate", "dropped_at_deliver"]).sum()


def test_drops_of_a_million_events_add_up(million: pd.DataFrame) -> None:
    drawn = sum(row["count"] for row in _values(plot.drops_over_time(million)))
    assert drawn == frames.df_drops(million)["count"].sum()


# Readable --------------------------------------------------------------------------------------------


def _luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(share * part for share, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _contrast(one: str, other: str) -> float:
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_and_marks_have_contrast_on_their_ground(theme: Any, story: Recording) -> None:
    spec = plot.on_ground(plot.timeline(story), theme).to_dict()
    ground, config = spec["background"], spec["config"]
    texts = [config["title"][name] for name in ("color", "subtitleColor")]
    texts += [config[part][name] for part in ("axis", "legend") for name in ("labelColor", "titleColor")]
    assert min(_contrast(colour, ground) for colour in texts) >= 4.5  # WCAG AA, text
    assert min(_contrast(colour, ground) for colour in COLOURS.values()) >= 3  # and graphics


def _as_seen(colour: str, matrix: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    rgb = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    return np.clip(matrix @ rgb, 0, 1)


def test_colours_differ_for_the_colour_blind_and_shapes_for_everybody() -> None:
    # Machado, Oliveira and Fernandes (2009), severity 1: protanopia, deuteranopia.
    blind = [
        np.array(
            [
                [0.152286, 1.052583, -0.204868],
                [0.114503, 0.786281, 0.099216],
                [-0.003882, -0.048116, 1.051998],
            ]
        ),
        np.array(
            [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
        ),
    ]
    others = [colour for name, colour in COLOURS.items() if name != "dropped" and colour != GREY]
    for matrix in blind:
        drop = _as_seen(VERMILLION, matrix)
        assert min(np.linalg.norm(drop - _as_seen(colour, matrix)) for colour in others) > 0.15
    assert len({kind.glyph for kind in KINDS.values()}) == len(KINDS) == len(COLOURS)


def test_dark_is_the_same_picture_on_another_ground(story: Recording) -> None:
    light = plot.timeline(story)
    dark = light.dark()
    assert light.to_dict()["background"] == "#ffffff"
    assert dark.to_dict()["background"] != "#ffffff"
    assert len(_values(light)) == len(_values(dark))
    with pytest.raises(BadInput, match="unknown theme 'pink': use light or dark"):
        plot.on_ground(light, "pink")  # type: ignore[arg-type]


# Harmless --------------------------------------------------------------------------------------------


class _Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.scripts, self.tags = 0, []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags: list[str] = [*self.tags, tag]
        self.scripts += tag == "script"


@pytest.fixture
def hostile(tmp_path: Path) -> Recording:
    names = {"sender_pid": 5, "sender_comm": b"</script><svg>", "sender_parent_comm": b"\x1b[2J<!--"}
    init = {**INIT, "target_comm": b"</script>\xe2\x80\xae"}
    records = [record(**init, **names, time=8 * SECOND), end(9 * SECOND, 0, init),
               record(**{**MEMBER, "target_comm": b"<img src=x>"}, **names, time=8 * SECOND)]  # fmt: skip
    row = {
        **WEB,
        "container_name": "</script><img src=x onerror=alert(1)>\x1b\u202e",
        "init_comm": "</script>",
    }
    return sigtrace.open(recorded(tmp_path / "hostile", records, row, host="</script>"))


@pytest.mark.parametrize("name", [*PICTURES, "tree"])
def test_hostile_names_cannot_leave_the_text_they_are(name: str, hostile: Recording) -> None:
    chart = getattr(plot, name)(hostile)
    spec = chart.to_json()
    assert "<" not in spec
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u202e]", json.dumps(json.loads(spec), ensure_ascii=False))
    harmless = PICTURES["senders"](storm(10).to_pandas()).to_html()
    page = chart.to_html()
    assert _Tags(page).tags == _Tags(harmless).tags
    assert "onerror" not in re.sub(r"<script.*?</script>", "", page, flags=re.S)
    assert not re.search(r"<(script|img|foreignObject|a)\b", plot.svg(chart))


# Everywhere ------------------------------------------------------------------------------------------


def test_a_notebook_gets_vega_lite_that_jupyterlab_knows_and_a_png(story: Recording) -> None:
    import vl_convert

    bundle = plot.timeline(story)._repr_mimebundle_()
    assert list(bundle) == ["application/vnd.vegalite.v5+json", "image/png", "text/plain"]
    known = bundle["application/vnd.vegalite.v5+json"]
    assert known["$schema"].endswith("vega-lite/v5.json")
    assert vl_convert.vegalite_to_svg(known, vl_version="5.21").startswith("<svg")
    assert bundle["image/png"].startswith(b"\x89PNG")
    assert "http" not in json.dumps({**known, "$schema": ""})


def test_pictures_become_files_without_a_network(story: Recording, tmp_path: Path) -> None:
    code = (
        "import sys, sigtrace\nfrom sigtrace import plot\n"
        "chart = plot.timeline(sigtrace.open(sys.argv[1]))\n"
        "chart.save(sys.argv[2] + '/a.svg'); chart.dark().save(sys.argv[2] + '/a.png')\n"
        "chart.save(sys.argv[2] + '/a.html', inline=True); print(len(plot.javascript()))\n"
    )
    command = [sys.executable, "-c", code, str(story.paths[0]), str(tmp_path)]
    unshared = ["unshare", "--net", "--map-root-user", *command]
    done = subprocess.run(unshared, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert 500_000 < int(done.stdout) < 1_200_000
    assert (tmp_path / "a.svg").read_text().startswith("<svg")
    assert (tmp_path / "a.html").stat().st_size < 1_500_000
    assert "</script" not in plot.javascript().lower()


@pytest.mark.parametrize(
    ("missing", "code", "says"),
    [
        ("altair", "sigtrace.plot", "pictures need Altair: pip install 'sigtrace[notebook]'"),
        (
            "vl_convert",
            "sigtrace.plot.png(sigtrace.plot.style.nothing('a', 'b'))",
            "pictures as files need vl-convert-python: pip install 'sigtrace[notebook]'",
        ),
    ],
)
def test_what_is_not_installed_is_said_in_a_sentence(missing: str, code: str, says: str) -> None:
    script = f"""
import sys
sys.modules[{missing!r}] = None
import sigtrace
from sigtrace.errors import BadInput
try:
    {code}
except BadInput as err:
    print(err)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == says, done.stderr


_HOVER = """
window.alert = what => document.body.append('ALERT ' + what);
vegaEmbed('#picture', SPEC, {renderer: 'svg'}).then(() => {
  for (const mark of document.querySelectorAll('#picture svg path')) {
    const box = mark.getBoundingClientRect();
    const where = {bubbles: true, clientX: box.x + box.width / 2, clientY: box.y + box.height / 2};
    for (const kind of ['pointerover', 'pointermove']) mark.dispatchEvent(new PointerEvent(kind, where));
    const tip = document.getElementById('vg-tooltip-element');
    if (tip) document.getElementById('tips').append(tip.cloneNode(true));
  }
});
"""


@pytest.mark.parametrize("name", ["timeline", "senders", "tree"])
def test_hostile_names_in_a_tooltip_are_text(name: str, hostile: Recording, tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    require(browser, "browser", "there is no chromium")
    chart = getattr(plot, name)(hostile)
    script = f"<script>{plot.javascript()}</script><script>{_HOVER.replace('SPEC', chart.to_json())}</script>"
    page = tmp_path / "page.html"
    page.write_text(f"<!doctype html><meta charset=utf-8><div id=picture></div><div id=tips></div>{script}")
    command = [
        browser,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--virtual-time-budget=5000",
        "--dump-dom",
    ]
    done = subprocess.run([*command, page.as_uri()], capture_output=True, text=True, timeout=100, check=True)
    tips = done.stdout.partition('<div id="tips">')[2].partition("<script>")[0]
    assert "/script&gt;" in tips
    assert set(_Tags(tips).tags) == {"div", "table", "tbody", "tr", "td"}
    assert "ALERT" not in done.stdout.partition("</script><div")[2]
