"""The timeline, as it is drawn."""

from __future__ import annotations

import re

import pytest

from sigtrace import plot
from sigtrace.events.outcome import KINDS, VERMILLION
from sigtrace.recording.reader import Recording
from tests.builders.pictures import layers_of, text_of
from tests.builders.stories import recorded_stop


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """A container, web-1, whose stop took ten seconds."""
    return recorded_stop(tmp_path_factory.mktemp("story"))


def test_a_drop_stands_out_in_the_timeline(story: Recording) -> None:
    chart = plot.timeline(story)
    sent = ["dropped as it was sent"]
    (drop,) = [layer for layer in layers_of(chart) if [row.get("outcome") for row in layer["rows"]] == sent
               and layer["mark"]["type"] == "point" and "shape" in layer["encoding"]]  # fmt: skip
    assert drop["rows"][0]["lane"] == "init: app[4242]"
    assert drop["rows"][0]["what"] == "dropped: no handler"
    assert drop["rows"][0]["who"] == "runc[1809], child of containerd-shim"
    scales = {name: drop["encoding"][name]["scale"] for name in ("stroke", "shape")}
    assert scales["stroke"]["range"][scales["stroke"]["domain"].index("dropped as it was sent")] == VERMILLION
    assert (
        scales["shape"]["range"][scales["shape"]["domain"].index("dropped as it was sent")]
        == KINDS["dropped"].glyph
    )
    drawn = plot.svg(chart)
    assert VERMILLION.lower() in drawn.lower()
    assert "SIGTERM" in re.sub(r"<[^>]*>", " ", drawn)


def test_the_timeline_has_lanes_for_senders_the_init_and_members_and_names_the_container(
    story: Recording,
) -> None:
    chart = plot.timeline(story)
    texts = text_of(chart)
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
