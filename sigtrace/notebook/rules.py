"""The rules of init protection as a table and a chart: `predict.kernel_rules` applied to hypothetical processes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sigtrace import signals
from sigtrace.events.outcome import KINDS
from sigtrace.predict.kernel_rules import Prediction, Relation, Target, Thread, predict

if TYPE_CHECKING:
    import pandas as pd

    from sigtrace.plot.style import Picture

_SENDERS: tuple[tuple[str, bool, Relation], ...] = (
    ("to PID 1, from inside", True, "same"),
    ("to PID 1, from outside", True, "ancestor"),
    ("to any other process", False, "same"),
)
_SIGNALS = (
    ("TERM", "no handler"),
    ("TERM", "a handler"),
    ("TERM", "ignored"),
    ("KILL", ""),
    ("STOP", ""),
    ("CHLD", "no handler"),
)
_WORDS = {"handler": "its handler runs", "terminate": "ends it", "stop": "stops it", "none": "nothing"}
_KINDS = {"DROPPED": "dropped", "its handler runs": "handled", "ends it": "acted", "stops it": "acted"}


def rules() -> pd.DataFrame:
    """Return the outcome of signals by target, side of the sender, and disposition; no process is signalled.

    who          object  to whom, and from which side
    signal       object  SIGTERM
    disposition  object  no handler, a handler, ignored; empty: there can be none
    becomes      object  DROPPED, its handler runs, ends it, stops it, nothing
    why          object  the kernel's rule in a sentence
    """
    import pandas as pd

    return pd.DataFrame(_rows(), columns=["who", "signal", "disposition", "becomes", "why"])


def plot_rules() -> Picture:
    """Return `rules` as a chart."""
    import altair as alt

    from sigtrace.plot.style import picture

    table = rules()
    asked = [f" ({asked})" if asked else "" for asked in table["disposition"]]
    table["what"] = table["signal"] + asked
    table["colour"] = [KINDS[_KINDS.get(each, "other")].colour for each in table["becomes"]]
    across, down = (table[name].drop_duplicates().tolist() for name in ("what", "who"))
    base = alt.Chart(table).encode(
        x=alt.X(
            "what:N",
            sort=across,
            axis=alt.Axis(title=None, orient="top", labelAngle=0, domain=False, ticks=False),
        ),
        y=alt.Y("who:N", sort=down, axis=alt.Axis(title=None, domain=False, ticks=False)),
        tooltip=[alt.Tooltip(name) for name in ("who", "what", "becomes", "why")],
    )
    fill = alt.Color("colour:N", scale=None)
    boxes = base.mark_rect(cornerRadius=3, opacity=0.3).encode(color=fill)
    texts = base.mark_text(fontSize=12, fontWeight=600).encode(text="becomes:N")
    return picture([boxes, texts], "What becomes of a signal", ["by the kernel's rules"], height=120)


def _rows() -> Iterator[tuple[str, str, str, str, str]]:
    for who, init, relation in _SENDERS:
        for name, asked in _SIGNALS:
            number = signals.parse(name)
            found = predict(_target(init, number, asked), number, relation)
            yield who, f"SIG{name}", asked, _becomes(found), found.reason


def _target(init: bool, number: int, asked: str) -> Target:
    bit = 1 << (number - 1)
    facts: dict[str, Any] = {"a handler": {"caught": bit}, "ignored": {"ignored": bit}}.get(asked, {})
    return Target(pid=1000, threads=(Thread(1000),), unkillable=init, ns_pid=1 if init else 2, **facts)


def _becomes(found: Prediction) -> str:
    return "DROPPED" if found.dropped else _WORDS[found.effect]
