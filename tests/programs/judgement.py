"""How sigtrace judged a case: right, left open, or wrong."""

from __future__ import annotations

from typing import Literal

from sigtrace.predict.scan_row import ScanRow
from tests.programs.program import KILL

Judgement = Literal["told", "if", "untold", "wrong"]
"""wrong: told, but not what happened. The others: `program.Told`."""


def of_scan(row: ScanRow, fate: str) -> Judgement:
    """Judge what `scan` said before by what happened."""
    if row.verdict == "can't be told":
        return "untold"
    if row.why.startswith("if "):
        return "if"
    return "told" if (row.verdict == "waits for KILL") == (fate == KILL) else "wrong"
