"""Pictures can be read on light and dark ground, by everybody."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sigtrace import plot
from sigtrace.errors import BadInput
from sigtrace.events.outcome import GREY, KINDS, VERMILLION
from sigtrace.recording.reader import Recording
from tests.builders.pictures import marks_of
from tests.builders.stories import recorded_stop


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """A container, web-1, whose stop took ten seconds."""
    return recorded_stop(tmp_path_factory.mktemp("story"))


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
    assert min(_contrast(kind.colour, ground) for kind in KINDS.values()) >= 3  # and graphics


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
    others = [kind.colour for name, kind in KINDS.items() if name != "dropped" and kind.colour != GREY]
    for matrix in blind:
        drop = _as_seen(VERMILLION, matrix)
        assert min(np.linalg.norm(drop - _as_seen(colour, matrix)) for colour in others) > 0.15
    assert len({kind.glyph for kind in KINDS.values()}) == len(KINDS)


def test_dark_is_the_same_picture_on_another_ground(story: Recording) -> None:
    light = plot.timeline(story)
    dark = light.dark()
    assert light.to_dict()["background"] == "#ffffff"
    assert dark.to_dict()["background"] != "#ffffff"
    assert len(marks_of(light)) == len(marks_of(dark))
    with pytest.raises(BadInput, match="unknown theme 'pink': use light or dark"):
        plot.on_ground(light, "pink")  # type: ignore[arg-type]
