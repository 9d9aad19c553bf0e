"""Names that are not ASCII stand in their columns: whole tables on a terminal, which counts in its own way."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.builders.recordings import UTC, Made
from tests.builders.records import record
from tests.builders.stories import SECOND, WEB
from tests.terminal import running

NAMES = ("web-1", "日本語", "👍-up", "cafe\u0301", "한글", "\U0001f468\u200d\U0001f469", "ｱｲｳ", "x\u202ey")
"""Of containers, inits and senders. The last but two and the last have to be escaped."""


@pytest.fixture
def named(tmp_path: Path) -> Path:
    """A container for each name, with an init and a sender of that name."""
    recording = Made(tmp_path / "named")
    rows = []
    for number, name in enumerate(NAMES):
        its = {"nsid": 4026532000 + number, "ns_start": (5 + number) * SECOND}
        comm = name.encode()
        who = {**its, "ns_level": 1, "target_pid": 4242, "target_comm": comm, "target_start": its["ns_start"]}
        sent = {"sender_pid": 1809, "sender_comm": comm, "sender_parent_pid": 1, "sender_parent_comm": comm}
        recording.add(record(**who, **sent, time=(20 + number) * SECOND))
        known = {**WEB, **its, "container_id": f"{number:064x}", "container_name": name}
        rows.append({**known, "time": UTC, "init_comm": name})
    from sigtrace.recording import schema

    recording.writer.rows("namespaces", schema.NAMESPACES, rows)
    recording.close()
    return recording.path


@pytest.mark.parametrize(
    ("command", "columns"),
    [
        ("summary", ("1 TERM", "dropped: no handler", "22:13:4")),
        ("postmortem --verbose", ("TERM", "still there")),
    ],
)
@pytest.mark.parametrize("width", [80, 120])
def test_every_line_of_a_table_has_its_columns_where_the_others_have_them(
    named: Path, command: str, columns: tuple[str, ...], width: int
) -> None:
    with running(named.parent, *command.split(), str(named), columns=width, lines=40) as tty:
        tty.shows("BACK")
        for text in columns:
            places = tty.columns(text)
            assert len(places) >= len(NAMES), tty.text
            assert len(set(places)) == 1, tty.text


def test_events_line_up_as_they_come(named: Path) -> None:
    import pyte

    import sigtrace
    from sigtrace.cli.event_lines import EventLines

    batch = sigtrace.open(named).batch()
    screen = pyte.Screen(120, 20)
    pyte.Stream(screen).feed("\r\n".join(EventLines(120, False).lines(batch)))
    for text in ("TERM", "dropped: no handler"):
        cells = [[screen.buffer[line][place].data for place in range(120)] for line in range(len(NAMES))]
        places = {
            next(place for place in range(120) if row[place] and "".join(row[place:]).startswith(text))
            for row in cells
        }
        assert len(places) == 1, "\n".join(screen.display)
