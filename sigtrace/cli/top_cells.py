"""The cells of `sigtrace top`, and its rows as JSON."""

from __future__ import annotations

import re

from sigtrace import signals
from sigtrace.live.rates import RateRow, state_of
from sigtrace.text import columns, printable, shorten
from sigtrace.units import age

_COLOUR = re.compile(r"(\x1b\[[0-9]*m)")


def as_dict(row: RateRow) -> dict[str, object]:
    """A row, ready for JSON; null means not known, or never."""
    container = row.container
    return {
        "nsid": row.key[0],
        "container_id": container.id if container else "",
        "container_name": container.name if container else "",
        "pod": container.pod if container else "",
        "pod_namespace": container.pod_namespace if container else "",
        "image": container.image if container else "",
        "init_pid": row.init_pid,
        "init_comm": row.comm,
        "state": state_of(row),
        "signals": row.signals,
        "signals_per_second": round(row.rate, 3),
        "drops": row.drops,
        "drops_per_second": round(row.drop_rate, 3),
        "last_drop_signal": signals.name(row.last.signal) if row.last else None,
        "last_drop_sender": row.last.sender if row.last else None,
        "last_drop_seconds_ago": round(row.last.ago, 3) if row.last else None,
    }


def cut(line: str, width: int) -> str:
    """A line cut to `width` columns; its colours stay."""
    out = []
    for part in _COLOUR.split(line):
        if not part.startswith("\x1b"):
            while columns(part) > width:
                part = part[:-1]  # noqa: PLW2901
            width -= columns(part)
        out.append(part)
    return "".join(out)


def rate_text(per_second: float) -> str:
    """At most six characters: `0`, `0.4`, `123`, `12,345`, `200k`, `1.2M`."""
    if not per_second:
        return "0"
    if per_second < 9.95:
        return f"{max(per_second, 0.1):.1f}"
    if per_second < 99_999.5:
        return f"{per_second:,.0f}"
    return f"{per_second / 1e3:.0f}k" if per_second < 999_500 else f"{per_second / 1e6:.1f}M"


def count_text(count: int) -> str:
    """At most seven characters."""
    return (
        f"{count:,}"
        if count < 1_000_000
        else f"{count / 1e6:.1f}M"
        if count < 1e10
        else f"{count / 1e9:.0f}G"
    )


def last_drop(row: RateRow, width: int) -> str:
    """`TERM 3s runc`: the last drop's signal, how long ago, and its sender."""
    if row.last is None:
        return ""
    name = signals.name(row.last.signal).removeprefix("SIG")
    return shorten(f"{name} {age(row.last.ago)} {printable(row.last.sender)}".rstrip(), width)
