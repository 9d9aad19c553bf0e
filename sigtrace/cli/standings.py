"""The list of `sigtrace postmortem`: the namespaces, worst first; those of one image that are alike are one entry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click

from sigtrace.cli.findings import page_width
from sigtrace.cli.wrapping import wrap
from sigtrace.events.losses import Losses, reservation
from sigtrace.postmortem import Case
from sigtrace.postmortem.ranking import Standing
from sigtrace.text import padded, printable, shorten_start
from sigtrace.units import number

_OUTCOME, _LEAST, _REST = 20, 8, 41
"""Columns for the outcome (more if it needs them), for the name (which gets the remaining width), for all others."""
_INDENT = " " * 11
"""Where the column of names begins."""
_NAMED = 4
"""Containers of one entry that are named."""


def print_standings(standings: Sequence[Standing], losses: Losses, every: bool = False) -> None:
    """Print the list; before it what was lost of its time. every: a line for each namespace."""
    if why := reservation(losses):
        click.echo(f"What follows is what was recorded; {why}.\n")
    known = any(standing.report.case.container for standing in standings)
    outcome = max([_OUTCOME, *(len(standing.outcome) for standing in standings)])
    widths = max(page_width() - _REST - outcome, _LEAST), outcome
    click.echo(_row(("NAMESPACE", "CONTAINER" if known else "INIT", "ASKED", "OUTCOME", "WHY"), widths))
    for group in [[each] for each in standings] if every else alike(standings):
        for line in _entry(group, widths):
            click.echo(line)
    stuck = sum(bool(standing.report.findings) for standing in standings)
    click.echo(f"\n{number(len(standings), 'PID namespace')}, {stuck:,} with findings.")
    unclear = sum(bool(each.report.reservation and not each.report.findings) for each in standings)
    if unclear:
        click.echo(f"Of {unclear:,} without findings (?), records may have been lost.")


def alike(standings: Sequence[Standing]) -> list[list[Standing]]:
    """Return the standings in groups: containers of one image with the same findings, signal and kind of end.

    Groups are in the order of their first. Namespaces without a container are alike if their inits have the same name.
    A container of an unknown image is on its own.
    """
    groups: dict[tuple[object, ...], list[Standing]] = {}
    for standing in standings:
        case = standing.report.case
        what = case.container.image if case.container else _init(case)
        same = (bool(case.container), what) if what else id(standing)
        key = (same, _why(standing), standing.signal, standing.ended, standing.severity)
        groups.setdefault(key, []).append(standing)
    return list(groups.values())


def _entry(group: Sequence[Standing], widths: tuple[int, int]) -> Iterator[str]:
    """Yield the line of the first, which is the worst, and who else is alike."""
    first, many = group[0], len(group)
    case = first.report.case
    cells = (str(case.nsid), _name(case), first.signal, first.outcome, _why(first))
    yield _row(cells, widths).rstrip()
    if many == 1:
        return
    names = [_name(each.report.case) for each in group]
    named = ", ".join(names[:_NAMED]) + (f" and {many - _NAMED:,} more" if many > _NAMED else "")
    of = f"containers of {case.container.image}" if case.container else f"namespaces of {_init(case)}"
    text = f"{many:,} {printable(of)}: {named}"
    for line in wrap(text, page_width() - len(_INDENT)):
        yield f"{_INDENT}{line}"


def _why(standing: Standing) -> str:
    """The first cause, and how many others: `dropped-at-generate +1`; `-`: none; `?`: none, but records were lost."""
    report = standing.report
    slugs = list(dict.fromkeys(finding.cause for finding in report.findings))
    slugs = slugs or ["?" if report.reservation else "-"]
    return slugs[0] + (f" +{len(slugs) - 1}" if len(slugs) > 1 else "")


def _name(case: Case) -> str:
    """The container's label, or the init if there is no container."""
    if case.container:
        return printable(case.container.label)
    return case.init_name or "-"


def _init(case: Case) -> str:
    """The name of the init without its PID."""
    return case.init_name.rpartition("[")[0] or case.init_name


def _row(cells: tuple[str, str, str, str, str], widths: tuple[int, int]) -> str:
    nsid, name, asked, outcome, why = cells
    return f"{nsid:<10} {_padded(name, widths[0])} {asked:<7} {outcome:<{widths[1]}} {why}"


def _padded(name: str, wide: int) -> str:
    """The name in `wide` columns; a long one keeps its end, which distinguishes the containers of a pod."""
    return padded(shorten_start(name, wide), wide)
