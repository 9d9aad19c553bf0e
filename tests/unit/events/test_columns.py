"""The table of columns: what the wire record has is in it, and everything that shows columns follows from it."""

from __future__ import annotations

import numpy as np
import pytest

from scripts import column_tables
from sigtrace.events import wire
from sigtrace.events.batch import Batch
from sigtrace.events.columns import COUNT_FIELDS, EVENT_FIELDS, FACT_FIELDS, TOTAL_FIELDS
from sigtrace.events.counts import COUNT, Counts
from sigtrace.events.field import Field, listing, names
from sigtrace.export.source import PUBLIC
from sigtrace.recording import schema
from sigtrace.recording.reader import Recording
from tests.builders.records import record

EVERY = (*EVENT_FIELDS, *FACT_FIELDS, *COUNT_FIELDS, *TOTAL_FIELDS)
PUBLISHED = (
    "time stage signal signal_name code result disposition unkillable blocked exiting traced kthread relation verdict "
    "nsid ns_level target_pid target_tid target_ns_pid target_comm target_start is_init "
    "sender_pid sender_tid sender_comm sender_nsid sender_uid sender_parent_pid sender_parent_comm "
    "exit_code exit_signal host container_id container_name runtime image pod pod_namespace"
).split()
"""What the event table has had from the beginning."""


def test_every_member_of_the_wire_record_is_a_column_as_a_whole() -> None:
    kept = {field.member for field in (*EVENT_FIELDS, *FACT_FIELDS) if field.whole}
    members = [member for member, _, _ in wire.EVENT.members if not member.startswith("pad")]
    missing = [member for member in members if member not in kept]
    assert missing == [], "name them in EVENT_FIELDS or FACT_FIELDS of sigtrace/events/columns.py"
    assert kept <= set(members)


def test_what_was_published_stays_in_its_order() -> None:
    assert [name for name in names(EVENT_FIELDS) if name in PUBLISHED] == PUBLISHED


def test_no_name_is_given_twice_in_a_table() -> None:
    for fields in ((*EVENT_FIELDS, *FACT_FIELDS), (*COUNT_FIELDS, *TOTAL_FIELDS)):
        assert len(set(names(fields))) == len(fields)


@pytest.mark.parametrize("field", EVERY, ids=lambda field: field.name)
def test_every_column_has_a_meaning_that_fits_into_a_table(field: Field) -> None:
    assert field.meaning.strip() == field.meaning != ""
    assert "|" not in field.meaning
    assert field.meaning.isprintable()


@pytest.mark.parametrize("field", EVERY, ids=lambda field: field.name)
def test_a_column_with_gaps_is_of_a_type_that_has_them(field: Field) -> None:
    assert field.dtype[0].isupper() == (field.only is not None)


def test_the_dtypes_are_those_that_pandas_gets() -> None:
    events = Batch(record(), 0).to_pandas().dtypes.astype(str).to_dict()
    assert events == {field.name: field.dtype for field in EVENT_FIELDS}
    counts = Counts(np.zeros(1, COUNT)).to_pandas().dtypes.astype(str).to_dict()
    assert counts == {field.name: field.dtype for field in COUNT_FIELDS}
    facts = schema.event_schema().empty_table().to_pandas()[list(names(FACT_FIELDS))].dtypes
    assert facts.astype(str).to_dict() == {field.name: field.dtype for field in FACT_FIELDS}


def test_recordings_and_exports_have_the_columns_in_their_order() -> None:
    assert schema.event_schema().names == [*names(EVENT_FIELDS), *names(FACT_FIELDS)]
    assert schema.count_schema().names == ["time", *names(COUNT_FIELDS), "flags"]
    assert names(EVENT_FIELDS) == PUBLIC


def test_help_shows_the_columns() -> None:
    assert (Recording.events.__doc__ or "").endswith(f"\n\n{listing(EVENT_FIELDS)}\n")
    assert (Recording.counts.__doc__ or "").endswith(f"\n\n{listing((*COUNT_FIELDS, *TOTAL_FIELDS))}\n")
    assert all(len(line) <= 110 for line in (Recording.events.__doc__ or "").splitlines())


@pytest.mark.parametrize("page", column_tables.PAGES, ids=lambda page: page.name)
def test_the_pages_have_the_columns_as_they_are(page: column_tables.Path) -> None:
    text = page.read_text()
    assert text.count("<!-- columns: ") == text.count("<!-- end of columns -->") >= 2
    assert text == column_tables.written(text), "run `make docs`"


def test_the_page_of_events_has_every_table() -> None:
    text = (column_tables.DOCS / "events.md").read_text()
    for field in (*EVENT_FIELDS, *FACT_FIELDS, *COUNT_FIELDS):
        assert f"| `{field.name}` | {field.dtype} | {field.meaning} |\n" in text
