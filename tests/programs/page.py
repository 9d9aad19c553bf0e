"""The table of known programs for people: writes the tables of docs/programs.md anew, between two comments each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tests.programs.inits import INITS
from tests.programs.languages import LANGUAGES
from tests.programs.program import KILL, Program, Stop
from tests.programs.servers import SERVERS
from tests.programs.shells import FORMS, OTHER_SHELLS, OTHERWISE

PAGE = Path(__file__).parents[2] / "docs" / "programs.md"
_TABLES = {"inits": INITS, "shells": OTHER_SHELLS, "servers": SERVERS, "languages": LANGUAGES}
_PLACE = re.compile(r"(<!-- programs: (\w+) -->\n).*?(<!-- end of programs -->\n)", re.S)


def written(page: str) -> str:
    """The text of the page with its tables as they should be."""
    return _PLACE.sub(lambda place: f"{place[1]}\n{_table(place[2])}\n{place[3]}", page)


def _table(name: str) -> str:
    return "".join(f"{line}\n" for line in (_of_forms() if name == "forms" else _of_programs(_TABLES[name])))


def _of_programs(programs: Iterable[Program]) -> Iterator[str]:
    yield "| program | ends on | goes on after | why |"
    yield "|---|---|---|---|"
    for program in programs:
        ends = {signal: _end(stop) for signal, stop in program.stops.items() if stop.fate != KILL}
        on = {signal: stop.because for signal, stop in program.stops.items() if stop.fate == KILL}
        causes = dict.fromkeys(f"`{stop.cause}`" for stop in program.stops.values() if stop.cause)
        yield f"| {_name(program)} | {_grouped(ends)} | {_grouped(on)} | {', '.join(causes)} |"


def _name(program: Program) -> str:
    name, comma, more = program.name.partition(", ")
    return f"{name}{comma}{more}" if name.startswith("a ") else f"`{name}`{comma}{more}"


def _grouped(notes: Mapping[str, str]) -> str:
    """Signals with their remarks, those together that have the same."""
    groups: dict[str, list[str]] = {}
    for signal, note in notes.items():
        groups.setdefault(note, []).append(signal)
    return "; ".join(", ".join(them) + (f" ({note})" if note else "") for note, them in groups.items())


def _end(stop: Stop) -> str:
    """The exit status, unless it is 0, and a remark."""
    status = "" if stop.fate == "exit 0" else stop.fate if " " in stop.fate else f"dies of SIG{stop.fate}"
    return "; ".join(filter(None, (status, stop.because)))


def _of_forms() -> Iterator[str]:
    yield "| script | on TERM | why | except |"
    yield "|---|---|---|---|"
    for form, (_, usual) in FORMS.items():
        others = [f"{shell}: {_otherwise(stop)}" for (shell, of), stop in OTHERWISE.items() if of == form]
        yield f"| `{form}` | {_outcome(usual)} | {_why(usual)} | {'; '.join(others)} |"


def _outcome(stop: Stop) -> str:
    if stop.fate == KILL:
        return "goes on"
    return f"ends, {stop.fate}" + (f" or {stop.or_else}" if stop.or_else else "")


def _why(stop: Stop) -> str:
    return ": ".join(filter(None, (f"`{stop.cause}`" if stop.cause else "", stop.because)))


def _otherwise(stop: Stop) -> str:
    return _why(stop) or _outcome(stop)


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
