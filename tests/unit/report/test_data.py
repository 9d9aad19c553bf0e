"""The facts in the page, for other programs: they are what the page says, and only data whatever the names are."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.builders.incident import DROPS_OF_STORM, EVIL_COMMAND, EVIL_IMAGE, EVIL_SENDER, NAMES
from tests.builders.pages import Element

DOCS = Path(__file__).parents[3] / "docs" / "report.md"


def extracted(content: bytes) -> Any:
    """What a program with no HTML parser finds."""
    (found,) = re.findall(rb'<script type="application/json" id="sigtrace-data">([^<]*)</script>', content)
    return json.loads(found)


@pytest.fixture(scope="module")
def data(content: bytes) -> Any:
    return extracted(content)


def test_a_program_finds_the_verdict_the_causes_and_what_to_do(data: Any) -> None:
    assert data["format"] == 1
    assert data["verdict"] == {"tone": "error", "text": "3 of 5 PID namespaces hung"}
    assert [each["name"] for each in data["namespaces"]][:2] == ["web-1", "probe"]
    first = data["groups"][0]
    assert (first["name"], first["outcome"], first["ranks"]) == ("web-1", "killed after 10.01 s", [1])
    assert first["to_do"].startswith("install a handler")
    assert data["namespaces"][1]["dropped"] == DROPS_OF_STORM
    assert {each["cause"] for each in data["findings"] if each["severity"] == "error"} == {
        "dropped-at-generate"
    }
    assert [each["seconds"] for each in data["stops"] if each["name"] == "db"] == [0.08]
    assert data["signals"][0]["count"] == DROPS_OF_STORM


def test_hostile_names_are_told_as_they_are_and_end_nothing(content: bytes, page: Element, data: Any) -> None:
    told = json.dumps(data, ensure_ascii=False)
    for text in (NAMES[max(NAMES) - 1], EVIL_IMAGE, EVIL_SENDER.decode()):
        assert json.dumps(text, ensure_ascii=False)[1:-1] in told
    assert EVIL_COMMAND[:20] in page.text
    (script,) = [each for each in page.all("script") if each.attributes.get("id") == "sigtrace-data"]
    assert json.loads(script.text) == data
    assert not set("<>&\x7f") & set(script.text)


def test_the_documented_keys_are_those_that_are_there(data: Any) -> None:
    text = DOCS.read_text().split("## For other programs")[1].split("\n## ")[0]
    documented = set(re.findall(r"^\| `(\w+)`", text, re.M))
    assert documented == set(data)
    inner = {name: set(data[name][0]) for name in ("groups", "namespaces")} | {
        "left_out": set(data["left_out"])
    }
    for name, keys in inner.items():
        (line,) = re.findall(rf"^\| `{name}` \|(.*)$", text, re.M)
        assert set(re.findall(r"`(\w+)`", line)) == keys, name
