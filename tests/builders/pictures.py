"""Pictures as tests look at them: what they show, and what is written in them."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import sigtrace
from sigtrace import plot
from sigtrace.recording.reader import Recording
from tests.builders.records import record
from tests.builders.stories import INIT, MEMBER, SECOND, WEB, end, recorded

PICTURES: dict[str, Callable[[Any], plot.Picture]] = {
    "timeline": plot.timeline,
    "drops_over_time": plot.drops_over_time,
    "senders": plot.senders,
    "stop_durations": plot.stop_durations,
}
"""Those that are made of events as well as of a recording."""


def marks_of(chart: plot.Picture) -> list[dict[str, Any]]:
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


def layers_of(chart: plot.Picture) -> list[dict[str, Any]]:
    """The layers of a picture with the rows that each shows."""
    spec = chart.to_dict()
    for layer in spec["layer"]:
        data = layer.get("data", {})
        layer["rows"] = data.get("values") or spec.get("datasets", {}).get(data.get("name"), [])
    layers: list[dict[str, Any]] = spec["layer"]
    return layers


def text_of(chart: plot.Picture) -> str:
    """All text that is drawn."""
    return re.sub(r"<[^>]*>", " ", plot.svg(chart))


def subtitle_of(chart: plot.Picture) -> str:
    """The lines below the title, as one."""
    return " ".join(chart.to_dict()["title"]["subtitle"])


class Tags(HTMLParser):
    """The tags of a page, in their order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.scripts, self.tags = 0, []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags: list[str] = [*self.tags, tag]
        self.scripts += tag == "script"


def hostile_names(path: Path) -> Recording:
    """A recording in which everybody and everything has a name that means harm."""
    names = {"sender_pid": 5, "sender_comm": b"</script><svg>", "sender_parent_comm": b"\x1b[2J<!--"}
    init = {**INIT, "target_comm": b"</script>\xe2\x80\xae"}
    records = [record(**init, **names, time=8 * SECOND), end(9 * SECOND, 0, init),
               record(**{**MEMBER, "target_comm": b"<img src=x>"}, **names, time=8 * SECOND)]  # fmt: skip
    row = {
        **WEB,
        "container_name": "</script><img src=x onerror=alert(1)>\x1b\u202e",
        "init_comm": "</script>",
    }
    return sigtrace.open(recorded(path, records, row, host="</script>"))
