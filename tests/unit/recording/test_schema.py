"""The columns of the files: every fact is kept, and text survives."""

from __future__ import annotations

from pathlib import Path

from sigtrace import text
from sigtrace.events import wire
from sigtrace.recording import schema


def test_kernel_text_survives(tmp_path: Path) -> None:
    for raw in (b"plain", b"\xff\xfe", b"caf\xc3\xa9", b"\\xff", b"\x1b[2J", b"a" * 16, b""):
        decoded = text.decode(raw)
        assert text.decode(schema.kernel_bytes(decoded)) == decoded


def test_every_fact_of_the_wire_record_is_kept() -> None:
    kept = {*schema.EVENT_COLUMNS, "exit_code"}
    members = [name for name in wire.EVENT.dtype().names or () if not name.startswith("pad")]
    assert [name for name in members if name not in kept] == []
