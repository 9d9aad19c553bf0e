"""Formats text and numbers for charts; no Altair."""

from __future__ import annotations

from typing import Any

import pandas as pd

from sigtrace.text import shorten
from sigtrace.units import duration


def shown(text: object, width: int = 60) -> str:
    """Return untrusted text for a chart: without control characters and `<`, of bounded length.

    Altair writes its data into a page's script without escaping: `</script>` would end that.
    """
    return shorten(str(text), width).replace("<", "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}")


def milliseconds(times: pd.Series) -> Any:
    """Return times as Vega takes them: ms since 1970, UTC, to the microsecond."""
    return times.astype("datetime64[ns, UTC]").astype("int64") // 1000 / 1000


def for_people(times: pd.Series) -> Any:
    """Return times as text: `2026-11-22 07:53:45.894510`."""
    return times.dt.strftime("%Y-%m-%d %H:%M:%S.%f")


def duration_text(length: pd.Timedelta) -> str:
    """Return a duration as text: `11.5 s`, `80 us`, `2 h 30 min`."""
    return duration(length.as_unit("ns").value)


def brief(count: int) -> str:
    """Return a count in six characters at most: `9,999`, `110k`, `1.25M`."""
    for unit, scale in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if count >= 10 * scale or (scale > 1000 and count >= scale):
            return f"{count / scale:.3g}{unit}" if count < 1000 * scale else f"{count / scale:,.0f}{unit}"
    return f"{count:,}"
