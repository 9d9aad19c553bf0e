"""How sigtrace judged a case: right, open, or wrong."""

from __future__ import annotations

from typing import Literal

from sigtrace.predict.scan_row import ScanRow
from tests.programs.program import KILL

Judgement = Literal["told", "open", "wrong"]
"""told: without an if, and right. open: it depends on the program, as scan says. wrong: not what happened."""


def of_scan(row: ScanRow, fate: str) -> Judgement:
    """Judge what `scan` said before by what happened."""
    if row.verdict == "can't be told" or row.why.startswith("if "):
        return "open"
    return "told" if (row.verdict == "waits for KILL") == (fate == KILL) else "wrong"
