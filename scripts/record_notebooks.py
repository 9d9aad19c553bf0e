"""Replace notebooks/recordings, which notebooks show where they cannot record, by new recordings of this kernel.

    sudo .venv/bin/python scripts/record_notebooks.py

The incidents are those of sigtrace/lab/scenarios/incidents.py, with the grace period of `docker stop`. Takes a minute.
Only the events of the incidents are kept: not this machine's name, boot ID, kernel build and other namespaces.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sigtrace.clock import TICK_NS
from sigtrace.lab.scenarios import incidents
from sigtrace.notebook.lesson import FILE
from sigtrace.recording.contents import Contents
from sigtrace.recording.directory import HEADER, files
from sigtrace.recording.file import ArrowFile
from sigtrace.recording.ground import Ground
from sigtrace.recording.manifest import MANIFEST

GRACE = 10.0
RECORDINGS = Path(__file__).parents[1] / "notebooks" / "recordings"


def main() -> None:
    """Run all incidents and the experiments, and keep what may be published."""
    shutil.rmtree(RECORDINGS, ignore_errors=True)
    RECORDINGS.mkdir()
    with tempfile.TemporaryDirectory() as name:
        where = Path(name)
        incidents.stop(where / "stop", GRACE, "host-a")
        incidents.incident(where / "incident", GRACE, "host-a")
        (where / "fleet").mkdir()
        incidents.fleet(where / "fleet", GRACE)
        for manifest in sorted(where.rglob(MANIFEST)):
            keep(manifest.parent, RECORDINGS / manifest.parent.relative_to(where))
    lab = [sys.executable, "-m", "sigtrace", "lab", "all", "--format", "json"]
    (RECORDINGS / FILE).write_bytes(subprocess.run(lab, stdout=subprocess.PIPE, check=True).stdout)


def keep(source: Path, target: Path) -> None:
    """Copy a recording without the facts about this machine."""
    target.mkdir(parents=True)
    manifest = json.loads((source / MANIFEST).read_text())
    facts = {"boot_id": str(uuid.uuid4()), "kernel": plain(manifest["kernel"])}
    (target / MANIFEST).write_text(json.dumps({**manifest, **facts}, indent=1) + "\n")
    tables = {named.table: Contents(named.path).table() for named in files(source)}
    events = tables["events"]
    for named in files(source):
        table = tables[named.table]
        if "nsid" in table.column_names:
            table = table.filter(pc.is_in(table["nsid"], pc.unique(events["nsid"])))
        if named.table == "namespaces":  # the inode may have belonged to another namespace before
            table = table.filter(pc.is_in(ticks(table), pc.unique(ticks(events))))
        write(target / named.path.name, words_in_use(table), facts)


def ticks(table: pa.Table) -> pa.ChunkedArray:
    """Return the starts of inits in clock ticks, the precision that all rows have."""
    return pc.divide(table["ns_start"].cast(pa.int64()), TICK_NS)


def words_in_use(table: pa.Table) -> pa.Table:
    """Drop texts of removed rows, which the columns' dictionaries still contain, and paths of this machine."""
    for place, kind in enumerate(table.schema):
        if kind.name == "cmdline":
            words = table[place].cast(pa.string())
            paths = pc.match_substring(
                words, "sigtrace.lab"
            )  # actors, whose command line is a path of this checkout
            table = table.set_column(
                place, kind, pc.if_else(paths, "", words).dictionary_encode().cast(kind.type)
            )
        elif pa.types.is_dictionary(kind.type):
            column = table[place].cast(kind.type.value_type).dictionary_encode().cast(kind.type)
            table = table.set_column(place, kind, column)
    return table


def write(path: Path, table: pa.Table, facts: dict[str, Any]) -> None:
    """Write a table as a recorder does, with other facts in its header."""
    header = {**json.loads(table.schema.metadata[HEADER]), **facts}
    schema = table.schema.with_metadata({HEADER: json.dumps(header).encode()})
    with Ground(path.parent) as ground:
        file = ArrowFile(ground, path.name, schema)
        for batch in table.replace_schema_metadata(schema.metadata).combine_chunks().to_batches():
            file.append(batch)
        file.close()
    path.chmod(0o644)


def plain(kernel: str) -> str:
    """Shorten to `6.18.44 x86_64`, without the name of the build."""
    release, _, machine = kernel.rpartition(" ")
    number = re.match(r"[\d.]+", release)
    return f"{number[0] if number else release} {machine}"


if __name__ == "__main__":
    main()
