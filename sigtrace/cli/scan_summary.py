"""What a scan comes to, in sentences: the last lines of `sigtrace scan`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sigtrace import signals
from sigtrace.cli.options import is_namespace
from sigtrace.containers.called import called
from sigtrace.events.container import Container
from sigtrace.predict.overview import Overview
from sigtrace.predict.scan_row import ScanRow
from sigtrace.text import shorten
from sigtrace.units import number, plural

_KINDS = 4
"""Names of inits that are listed."""


_NONE = "No PID namespace here can be stopped from outside: there are no containers."


def conclusion(shown: Overview, known: Sequence[Container]) -> list[str]:
    """Return sentences: how many would not stop, and what says why of the worst. known: all containers here."""
    rows = [row for row in shown.rows if row.verdict]
    ending = sum(row.ending for row in shown.rows)
    if not rows:
        return [f"{number(ending, 'container is', 'containers are')} ending already." if ending else _NONE]
    more = f"; {ending} more {plural(ending, 'is', 'are')} ending already" if ending else ""
    noun = "container" if all(row.of_container for row in rows) else "PID namespace"
    hang = sum(row.verdict == "waits for KILL" for row in rows)
    unknown = sum(row.verdict == "can't be told" for row in rows)
    its = "its" if max(hang, 1) == 1 and (hang or len(rows) == 1) else "their"
    if hang:
        untold = f", and of {unknown} it can't be told" if unknown else ""
        sentence = f"{hang} of {number(len(rows), noun)} would not stop on {its} signal{untold}"
    elif unknown:
        sentence = f"It can't be told of {unknown} of {number(len(rows), noun)} whether a stop would work"
    else:
        what = {1: "The one", 2: "Both"}.get(len(rows), f"All {len(rows)}")
        own = "; `if`: when the program chooses to" if any(row.why.startswith("if ") for row in rows) else ""
        return [f"{what} {plural(len(rows), noun)} would stop on {its} signal{own}{more}."]
    what_to_do = ", and what to do" if hang else ""
    return [f"{sentence}{more}.", f"`{_explain(rows[0], known)}` says why{what_to_do}."]


def besides(rows: Sequence[ScanRow]) -> str:
    """Return a sentence about namespaces that are not listed; empty if there are none."""
    inside, outside = ([row for row in rows if bool(row.container) is within] for within in (True, False))
    parts = (
        [f"{number(len(outside), 'PID namespace')} of no container ({_kinds(outside)})"] if outside else []
    )
    parts += [f"{len(inside)} inside containers or pods ({_kinds(inside)})"] if inside else []
    return f"Not listed: {', '.join(parts)}; `sigtrace scan --all` shows them." if parts else ""


def _kinds(rows: Sequence[ScanRow]) -> str:
    """What the inits of these are, the most frequent first."""
    found = Counter(row.comm or "no init" for row in rows).most_common()
    kinds = [f"{shorten(comm, 16)}{f' x {count}' if count > 1 else ''}" for comm, count in found[:_KINDS]]
    return ", ".join(kinds) + (f" and {len(found) - _KINDS} more" if len(found) > _KINDS else "")


def _explain(row: ScanRow, known: Sequence[Container]) -> str:
    """Return the command that explains this row."""
    signal = (
        f" --signal {signals.name(row.request.signal).removeprefix('SIG')}"
        if row.request.source == "option"
        else ""
    )
    word = called(row.container, known) if row.container and row.of_container else ""
    target = word or str(row.namespace.init_pid)
    if is_namespace(word):  # a container with a number as its name
        target = f"--container {word}"
    return f"sigtrace explain{signal} {target}"
