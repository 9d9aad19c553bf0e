"""Whose container the records of a batch are of."""

from __future__ import annotations

from sigtrace.events.batch import Batch, join
from tests.builders.naming import OTHER, START, WEB, batch
from tests.builders.records import record


def test_a_batch_shows_the_containers_its_source_knows() -> None:
    known = {(7, 500): WEB}.get
    records = batch(
        record(nsid=7, ns_start=START), record(nsid=8, ns_start=START), record(nsid=7, ns_start=1)
    )
    table = Batch(records.records, 0, "h", known).to_pandas()
    assert table["container_name"].tolist() == ["web-1", "", ""]
    assert table["image"].tolist() == ["nginx:1.25", "", ""]


def test_joined_batches_keep_their_own_containers() -> None:
    one = Batch(record(nsid=7, ns_start=START), 0, "a", lambda key: WEB)
    other = Batch(record(nsid=7, ns_start=START), 0, "b", lambda key: OTHER)
    both = join([one, other, one])
    assert [row["container_name"] for row in both.rows()] == ["web-1", "db", "web-1"]
    assert [row["container_name"] for row in both[1:].rows()] == ["db", "web-1"]
