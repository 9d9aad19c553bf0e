"""The facts of a report for other programs, as JSON in the page: docs/report.md lists the keys, which are stable.

Text from the kernel and the runtimes is as it was recorded, cut like the text of the page.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sigtrace.clock import iso
from sigtrace.report.facts import Group, NamespaceRow, Page
from sigtrace.units import SECOND

FORMAT = 1
"""It changes when a key is removed, or changes its meaning."""
_MOST_CHARACTERS = 600
_MOST_BYTES = 500_000
"""The most that the facts take of a page; lists are cut to the same number of rows until they fit."""
_ESCAPED = {ord(char): f"\\u{ord(char):04x}" for char in "<>&\x7f"}
"""None of these means anything in JSON outside of a text; `<` would begin a tag or a comment."""


def script(page: Page) -> str:
    """Return the facts as JSON that can stand in a script element: nothing in it ends that, whatever the names are."""
    most = max(len(page.namespaces.rows), len(page.sections), len(page.attempts.rows), len(page.signals.rows))
    text = _text(page, most)
    while len(text) > _MOST_BYTES and most:
        most = int(most * 0.9 * _MOST_BYTES / len(text))
        text = _text(page, most)
    return text


def data(page: Page, most: int) -> dict[str, object]:
    """Return the facts, JSON-ready, with at most so many rows of each list.

    Times are ISO 8601 in UTC, durations seconds.
    """
    sections, groups = page.sections[:most], page.groups[:most]
    namespaces, attempts = page.namespaces.rows[:most], page.attempts.rows[:most]
    signals = page.signals.rows[:most]
    return {
        "format": FORMAT,
        "version": page.version,
        "made": iso(page.made),
        "hosts": list(page.hosts),
        "begin": iso(page.begin) if page.end else None,
        "end": iso(page.end) if page.end else None,
        "only": list(page.scope),
        "live": page.live,
        "verdict": {"tone": page.headline.tone, "text": page.headline.text},
        "groups": [_group(each) for each in groups],
        "namespaces": [_namespace(row) for row in namespaces],
        "findings": [{"rank": each.row.rank, **finding} for each in sections for finding in each.data],
        "stops": [
            {"rank": row.rank, "name": row.label, "asked": iso(row.asked), **row.data} for row in attempts
        ],
        "signals": [dict(row.data) for row in signals],
        "losses": list(page.losses),
        "left_out": {
            "groups": len(page.groups) - len(groups),
            "namespaces": page.namespaces.total - len(namespaces),
            "findings_of_namespaces": page.namespaces.total - len(sections),
            "stops": page.attempts.total - len(attempts),
            "signals": page.signals.total - len(signals),
        },
    }


def _text(page: Page, most: int) -> str:
    return json.dumps(_bounded(data(page, most)), separators=(",", ":"), allow_nan=False).translate(_ESCAPED)


def _group(group: Group) -> dict[str, object]:
    return {
        "name": group.name,
        "severity": group.severity or None,
        "outcome": group.outcome,
        "why": group.why,
        "to_do": group.to_do,
        "ranks": [row.rank for row in group.rows],
    }


def _namespace(row: NamespaceRow) -> dict[str, object]:
    return {
        "rank": row.rank,
        "name": row.label,
        "host": row.host,
        "nsid": row.key.inode,
        "ns_start": row.key.start,
        "image": row.image,
        "init": row.init,
        "asked": row.asked,
        "outcome": row.outcome,
        "seconds": round(row.took / SECOND, 6),
        "severity": row.severity or None,
        "causes": list(row.causes),
        "dropped": row.dropped,
    }


def _bounded(value: Any) -> Any:
    """Return a value without texts of more than _MOST_CHARACTERS."""
    if isinstance(value, str):
        return value if len(value) <= _MOST_CHARACTERS else f"{value[:_MOST_CHARACTERS]}…"
    if isinstance(value, Mapping):
        return {key: _bounded(each) for key, each in value.items()}
    return [_bounded(each) for each in value] if isinstance(value, list) else value
