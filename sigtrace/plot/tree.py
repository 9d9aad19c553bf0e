"""The tree of PID namespaces, with the signals dropped in each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import altair as alt
import pandas as pd

from sigtrace.events.outcome import GREY, VERMILLION
from sigtrace.frames.namespaces import df_namespaces
from sigtrace.plot.axes import hint
from sigtrace.plot.style import Picture, nothing, picture
from sigtrace.plot.text import shown
from sigtrace.recording.reader import Recording
from sigtrace.units import number

_MOST = 60
"""The most namespaces in the chart."""
_ROW, _INDENT = 24, 28


@dataclass
class _Node:
    """A namespace; `below`: its children."""

    name: str
    init: str
    nsid: int
    dropped: int
    alive: bool
    below: list[_Node] = field(default_factory=list)

    @property
    def trouble(self) -> int:
        """Drops here and below."""
        return self.dropped + sum(each.trouble for each in self.below)

    @property
    def size(self) -> int:
        """Namespaces here and below."""
        return 1 + sum(each.size for each in self.below)


def tree(recording: Recording) -> Picture:
    """Plot the PID namespaces of a recording, each below its parent, with the signals dropped for its init.

    If there are many, those with drops are shown; the subtitle has the number that is left out.
    """
    roots = _roots(recording)
    total = sum(root.size for root in roots)
    title = "PID namespaces"
    if not total:
        return nothing(title, "none was recorded")
    rows = _rows(roots, _MOST)
    data = pd.DataFrame(rows)
    data["row"] = range(len(data))
    dropped = sum(root.trouble for root in roots)
    hidden = total - int(data["nsid"].gt(0).sum())
    lines = [f"{number(total, 'namespace')}, {number(dropped, 'signal')} dropped; hollow: it has ended"]
    lines += [f"{number(hidden, 'namespace')} with the fewest drops not shown"] if hidden else []
    return picture([*_edges(data), *_nodes(data)], title, lines, height=_ROW * len(data))


def _roots(recording: Recording) -> list[_Node]:
    """Return the namespaces without a known parent, with those below them."""
    table = df_namespaces(recording).sort_values("ns_start", kind="stable")
    nodes: dict[tuple[str, str, int], list[tuple[int, _Node]]] = {}
    wanted = []
    for row in table.to_dict("records"):
        boot, nsid, start = (str(row["host"]), str(row["boot_id"])), int(row["nsid"]), int(row["ns_start"])
        name = str(row["container"])
        name = "" if name == str(nsid) else name
        node = _Node(name, str(row["init_comm"]), nsid, int(row["dropped"]), pd.isna(row["died"]))
        nodes.setdefault((*boot, nsid), []).append((start, node))
        wanted.append((node, start, (*boot, 0 if pd.isna(row["parent_nsid"]) else int(row["parent_nsid"]))))
    roots: list[_Node] = []
    for (
        node,
        start,
        parent,
    ) in wanted:  # of several that had the parent's inode, the last that was born before
        older = [each for began, each in nodes.get(parent, ()) if began <= start and each is not node]
        (older[-1].below if older else roots).append(node)
    return roots


def _rows(roots: list[_Node], most: int) -> list[dict[str, Any]]:
    """Return the nodes from top to bottom, at most `most`; siblings with the most drops come first."""
    chosen = _chosen(roots, most)
    rows: list[dict[str, Any]] = []

    def walk(nodes: list[_Node], depth: int, parent: int) -> None:
        for node in sorted(nodes, key=lambda each: -each.trouble):
            if id(node) in chosen:
                rows.append(_row(node, depth, parent))
                walk(node.below, depth + 1, len(rows) - 1)

    walk(roots, 0, -1)
    return rows


def _chosen(roots: list[_Node], most: int) -> set[int]:
    """Return the ids of the nodes to show: those with the most drops, with all their ancestors."""
    chosen: set[int] = set()
    waiting = sorted(roots, key=lambda node: -node.trouble)
    while waiting and len(chosen) < most:
        node = waiting.pop(0)
        chosen.add(id(node))
        waiting = sorted([*waiting, *node.below], key=lambda each: -each.trouble)
    return chosen


def _row(node: _Node, depth: int, parent: int) -> dict[str, Any]:
    who = " · ".join(part for part in (shown(node.name, 50), shown(node.init, 16), str(node.nsid)) if part)
    drops = f": {number(node.dropped, 'signal')} dropped" if node.dropped else ""
    state = "alive" if node.alive else "ended"
    return {
        "depth": depth,
        "parent": parent,
        "nsid": node.nsid,
        "label": who,
        "drops": drops,
        "dropped": node.dropped,
        "state": state,
    }


def _x(field_name: str, deepest: int) -> alt.X:
    scale = alt.Scale(domain=[0, max(deepest, 1)], range=[12, 12 + _INDENT * max(deepest, 1)], nice=False)
    return alt.X(f"{field_name}:Q", axis=None, scale=scale)


def _y(field_name: str, rows: int) -> alt.Y:
    scale = alt.Scale(domain=[-0.5, rows - 0.5], reverse=True, nice=False)
    return alt.Y(f"{field_name}:Q", axis=None, scale=scale)


def _edges(data: pd.DataFrame) -> Iterator[Any]:
    """Yield lines from each parent down, and across to the child."""
    below = data[data["parent"] >= 0]
    if not len(below):
        return
    deepest, rows = int(data["depth"].max()), len(data)
    edges = alt.Chart(below.assign(above=below["depth"] - 1)[["depth", "above", "parent", "row"]])
    line = edges.mark_rule(color=GREY, opacity=0.6)
    yield line.encode(x=_x("above", deepest), y=_y("parent", rows), y2="row:Q")
    yield line.encode(x=_x("above", deepest), x2="depth:Q", y=_y("row", rows))


def _nodes(data: pd.DataFrame) -> Iterator[Any]:
    deepest, rows = int(data["depth"].max()), len(data)
    base = alt.Chart(data).encode(
        x=_x("depth", deepest), y=_y("row", rows), tooltip=hint("label", "dropped", "state")
    )
    colour = alt.condition("datum.dropped > 0", alt.value(VERMILLION), alt.value(GREY))
    full = alt.condition("datum.state == 'alive'", alt.value(1), alt.value(0))
    yield base.mark_point(size=110, filled=False, strokeWidth=2, opacity=1).encode(color=colour)
    yield base.mark_point(size=110, filled=True, strokeWidth=0).encode(color=colour, opacity=full)
    labels = data.assign(text=data["label"] + data["drops"])
    for heavy in (False, True):
        part = labels[(labels["dropped"] > 0) == heavy]
        if len(part):
            text = alt.Chart(part).mark_text(
                align="left", dx=12, fontSize=12, fontWeight=700 if heavy else 400
            )
            yield text.encode(x=_x("depth", deepest), y=_y("row", rows), text="text:N")
