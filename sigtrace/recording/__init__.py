"""Recordings: directories that a recorder fills and everything else reads. `sigtrace.open` opens them.

The format, version 1. A directory holds

    manifest.json             what the last recorder was and did: host, boot, kernel, version, losses, segments
    lock                      held with flock(2) by the recorder at work: there is never more than one
    TABLE-NNNNNN.arrow        a closed segment of a table: an Arrow IPC file, zstd
    TABLE-NNNNNN.arrow.open   the same still being written: it lacks only its end marker and footer

TABLE is events, counts, namespaces, snapshots or losses; NNNNNN counts the segments of the directory up. Everything
a reader needs is in each file: its schema's metadata has, under `sigtrace`, a JSON object with format, version, host,
boot_id, run (one recorder's life), kernel, table and began. The manifest is for people and for retention, which
deletes nothing that is not listed there.

An open segment grows by whole record batches, written at least once a second and then synced (fdatasync). Without the
leading 8 bytes it is an Arrow IPC stream, so that what a power cut or a `kill -9` leaves is read up to its last whole
batch. Closing it writes the footer, syncs, and renames; when it consists of many small batches, they are written
anew as few, to a temporary file that then takes its place. What a dead recorder left open is closed so by the next.

`events` has the columns of `EVENT_FIELDS` in sigtrace/events/table.py, then those of `FACT_FIELDS`. `verdict` is there
for other programs; sigtrace derives it again on reading. `counts` has the columns of the counts table, cumulative over
a run, whenever they changed. `losses` is cumulative over a run too; a row with `gap_began` is a time in which nothing
could be written. `namespaces` states what was known of a namespace at `time`, `snapshots` what /proc said.

Events are ordered by `time - boot_to_utc` within a boot; files of different boots are never mixed up, as boot_id
tells them apart.
"""
