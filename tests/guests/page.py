"""The tables of docs/kernels.md, written from what the guests told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.guests import results
from tests.guests.cells import KERNELS
from tests.guests.inside.conditions import CONDITIONS
from tests.guests.inside.methods import METHODS

PAGE = Path(__file__).parents[2] / "docs" / "kernels.md"
_PLACE = re.compile(r"(<!-- kernels: (\w+) -->\n).*?(<!-- end of kernels -->\n)", re.S)
_STEPS = ("attach", "doctor", "demo", "scan", "stop", "watch", "record", "postmortem")
"""What a user does; the other steps are kernel tests."""


def write(kept: results.Results) -> None:
    """Write the page's tables anew."""
    PAGE.write_text(written(PAGE.read_text(), kept))


def written(page: str, kept: results.Results) -> str:
    """Return the text of the page with its tables as the results have it."""
    tables = {"methods": _methods, "conditions": _conditions}

    def table(place: re.Match[str]) -> str:
        lines = "".join(f"{line}\n" for line in tables[place[2]](kept))
        return f"{place[1]}\n{lines}\n{place[3]}"

    return _PLACE.sub(table, page)


def _methods(kept: results.Results) -> Iterator[str]:
    yield "| kernel | | method | commands | kernel tests | failed | seconds | run on |"
    yield "|---|---|---|---|---|---|---|---|"
    listed = dict.fromkeys(f"{kernel} {arch}" for arch, names in KERNELS.items() for kernel in names)
    for system in (*listed, *(other for other in kept["methods"] if other not in listed)):
        kernel, arch = system.split()
        told = kept["methods"].get(system, {})
        shown = _release(told.get("release", "")) or kernel
        for method in METHODS:
            yield f"| {shown} | {arch} | {method} | {_method(told, method)} |"


def _method(told: dict[str, Any], method: str) -> str:
    """The cells of a method: how many claims passed, and which did not."""
    if "lines" not in told:
        return f"{told.get('problem', 'not run')} | | | | {told.get('date', '')}"
    lines = [line for line in told["lines"] if line.get("method", method) == method]
    lacks = next((line["lacks"] for line in lines if "lacks" in line), "")
    if lacks:
        return f"{lacks.rstrip('.')} | | | | {told['date']}"
    commands = [line for line in lines if line["step"] in _STEPS]
    tests = [line for line in lines if line["step"] not in _STEPS]
    passed = [sum(line["passed"] for line in part) for part in (commands, tests)]
    failed = [line["step"] for line in lines if line["failed"]]
    number = sum(line["failed"] for line in lines)
    seconds = sum(line["seconds"] for line in lines)
    counts = f"{passed[0]} passed | {passed[1]} passed | {number}{': ' + ', '.join(failed) if failed else ''}"
    return f"{counts} | {seconds:.0f} | {told['date']}"


def _conditions(kept: results.Results) -> Iterator[str]:
    yield "| | kernel | `sigtrace doctor` | `sigtrace watch` | `sigtrace scan` | run on |"
    yield "|---|---|---|---|---|---|"
    for name, condition in CONDITIONS.items():
        for kernel in condition.kernels:
            told = kept["conditions"].get(f"{kernel} amd64 {name}", {})
            shown = _release(told.get("release", "")) or kernel
            yield f"| {condition.words} | {shown} | {_said(told)} |"


def _said(told: dict[str, Any]) -> str:
    if "lines" not in told:
        return f"{told.get('problem', 'not run')} | | |"
    steps = {line["step"]: line for line in told["lines"]}
    cells = [
        _words(steps.get(step), word)
        for step, word in (("doctor", ""), ("watch", "traces"), ("scan", "works"))
    ]
    return " | ".join([*cells, told["date"]])


def _words(line: dict[str, Any] | None, works: str) -> str:
    """What a step said; what it comes to if that is nothing to act on."""
    if line is None:
        return "not run"
    if line["failed"]:
        return "FAILED"
    return works if line["step"] == "scan" or not line["said"] else _escaped(line["said"])


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def _release(release: str) -> str:
    """The kernel's version and the distribution's, without the flavour."""
    return re.sub(r"-cloud-\w+$", "", release)


if __name__ == "__main__":
    write(results.load())
