"""Recordings: directories that a recorder writes and all other commands read. `sigtrace.open` opens them.

The format, version 1. A directory contains

    manifest.json             facts of the last recorder: host, boot, kernel, version, losses, segments
    lock                      held with flock(2) by the recorder, so that there is never more than one
    TABLE-NNNNNN.arrow        a closed segment of a table: an Arrow IPC file, zstd
    TABLE-NNNNNN.arrow.open   a segment that is being written: it only lacks its end marker and footer

TABLE is events, counts, namespaces, snapshots or losses; NNNNNN numbers the segments of the directory. Each file
contains everything that a reader needs: its schema's metadata has, under `sigtrace`, a JSON object with format,
version, host, boot_id, run (one recorder's life), kernel, table and began. The manifest is for people and for
retention, which deletes nothing that the manifest does not list.

An open segment grows by whole record batches, written at least once per second and then synced (fdatasync). Without
its first 8 bytes it is an Arrow IPC stream, so after a power failure or a `kill -9` it is readable up to its last
whole batch. Closing it writes the footer, syncs and renames it. If it consists of many small batches, they are merged
into a temporary file that replaces it. The next recorder closes the open segments of a dead one in the same way.

`events` has the columns of `EVENT_FIELDS` in sigtrace/events/columns.py, then those of `FACT_FIELDS`. `verdict` is for
other programs; sigtrace derives it again on reading. `counts` has the columns of the counts table, cumulative over a
run, written whenever they changed, and into each new segment for the namespaces that live. `losses` is cumulative over
a run too; a row with `gap_began` is a time in which nothing could be written. `namespaces` contains what was known
about a namespace at `time`, `snapshots` the state in /proc.

Events are ordered by `time - boot_to_utc` within a boot. boot_id distinguishes the files of different boots.
"""
