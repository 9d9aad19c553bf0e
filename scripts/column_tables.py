"""Write the tables of columns in docs/ anew from `sigtrace.events.columns`: what is between two comments on a page.

A page marks the place of a table with `<!-- columns: events -->` and `<!-- end of columns -->`.
"""

from __future__ import annotations

import re
from pathlib import Path

from sigtrace.events.columns import COUNT_FIELDS, EVENT_FIELDS, FACT_FIELDS, TOTAL_FIELDS
from sigtrace.events.field import Field

DOCS = Path(__file__).parents[1] / "docs"
PAGES = (DOCS / "events.md", DOCS / "library.md")
_TABLES = {
    "events": EVENT_FIELDS,
    "facts": FACT_FIELDS,
    "counts": COUNT_FIELDS,
    "totals": (*COUNT_FIELDS, *TOTAL_FIELDS),
}
_PLACE = re.compile(r"(<!-- columns: (\w+) -->\n).*?(<!-- end of columns -->\n)", re.S)


def written(page: str) -> str:
    """The text of a page with its tables of columns as they should be."""
    return _PLACE.sub(lambda place: place[1] + _table(_TABLES[place[2]]) + place[3], page)


def _table(fields: tuple[Field, ...]) -> str:
    rows = [f"| `{field.name}` | {field.dtype} | {field.meaning} |\n" for field in fields]
    return "".join(["\n| column | dtype | meaning |\n|---|---|---|\n", *rows, "\n"])


if __name__ == "__main__":
    for path in PAGES:
        path.write_text(written(path.read_text()))
