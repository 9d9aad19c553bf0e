"""Every picture, on nothing at all."""

from __future__ import annotations

import re

import pytest

from sigtrace.recording.reader import Recording
from tests.builders.pictures import PICTURES, text_of
from tests.builders.stories import recorded_stop


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """A container, web-1, whose stop took ten seconds."""
    return recorded_stop(tmp_path_factory.mktemp("story"))


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_of_nothing_says_so(name: str, story: Recording) -> None:
    chart = PICTURES[name](story.events(ns=1))
    assert re.search(r"no events|no signals|none among 0|no stop", text_of(chart))
