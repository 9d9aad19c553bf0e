"""Reports on very many namespaces."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import sigtrace
from sigtrace.recording import schema
from sigtrace.recording.selection import Selection
from sigtrace.report import gather, html
from sigtrace.report.page import MOST_BYTES
from tests.builders.incident import SECOND
from tests.builders.pages import parsed, words
from tests.builders.recordings import UTC, Made
from tests.builders.records import record


def test_a_thousand_namespaces_fit_and_what_is_left_out_is_told(tmp_path: Path) -> None:
    count, each = 1_000, 12
    recording = Made(tmp_path / "r")
    many = np.repeat(
        record(ns_level=1, sender_pid=9, sender_comm=b"runc", target_comm=b"<&>'\""), count * each
    )
    place = np.arange(count * each)
    many["nsid"], many["time"] = 4026540000 + place % count, SECOND + place * 1_000
    many["ns_start"] = many["target_pid"] = 1 + place % count
    many["signal"] = 1 + place // count
    recording.add(many)
    names = [
        {"time": UTC, "nsid": 4026540000 + n, "ns_start": 1 + n, "container_id": f"{n:064x}"}
        | {"container_name": f"{n}-" + "\u202e<&" * 2_000, "image": "\x1b" * 9_000}
        for n in range(count)
    ]
    recording.writer.rows("namespaces", schema.NAMESPACES, names)
    recording.close()
    content = html(gather(sigtrace.open(tmp_path / "r"), Selection()))
    page = parsed(content)
    told = len(page.all("section", class_="namespace"))
    assert len(content) <= MOST_BYTES
    assert 10 <= told < count
    assert f"{count - told:,} of 1,000 namespaces are not shown in full here" in words(page)
    assert "600 more namespaces are left out of this table" in words(page)
    assert page.one("h1").text == "Nothing hung; 1,000 of 1,000 PID namespaces with findings"
