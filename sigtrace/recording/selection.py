"""Which of a recording's PID namespaces a user means."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from sigtrace.clock import TICK_NS
from sigtrace.containers.selector import Wanted
from sigtrace.errors import BadInput
from sigtrace.procfs.pidns import PID_MAX_LIMIT, parse_ns
from sigtrace.recording.filter import Namespace

if TYPE_CHECKING:
    import pandas as pd

    from sigtrace.recording.reader import Recording


def select(
    recording: Recording, texts: Iterable[str], wanted: Wanted | None = None, descendants: bool = False
) -> tuple[Namespace, ...]:
    """The namespaces that `texts` name and those of the containers that are `wanted`; empty for all.

    A text is an inode, `pid:[inode]`, the PID of an init, or a path as `pidns.parse_ns` reads it. `descendants`:
    also those below them. Raises BadInput for what the recording does not have, or words that mean several things.
    """
    texts = tuple(texts)
    if not texts and (wanted is None or wanted.empty):
        if descendants:
            raise BadInput(
                "--descendants goes with --ns, --container or --pod: without them, every namespace is in it anyway"
            )
        return ()
    table = recording.namespaces()
    chosen: set[Namespace] = {inode for text in texts for inode in _inodes(table, text)}
    if wanted is not None and not wanted.empty:
        containers = recording.containers()
        sure = wanted.checked(containers.values(), "in the recording")
        starts = dict.fromkeys(key for (_, _, key), each in containers.items() if sure.matches(each))
        found = zip(table["nsid"].tolist(), table["ns_start"].tolist(), strict=True)
        chosen |= {(nsid, start) for nsid, start in found if (nsid, start // TICK_NS) in starts}
    if descendants:
        chosen |= _below(table, chosen)
    return tuple(sorted(chosen, key=str))


def _below(table: pd.DataFrame, chosen: set[Namespace]) -> set[Namespace]:
    """The namespaces below them, however deep. Their parent is whoever had its inode when they were made."""
    table = table.astype({"ns_level": object, "parent_nsid": object}).fillna(
        {"ns_level": 0, "parent_nsid": 0}
    )
    table = table.sort_values(["ns_start", "ns_level"])
    rows = zip(
        *(table[name].tolist() for name in ("host", "boot_id", "nsid", "ns_start", "parent_nsid")),
        strict=True,
    )
    found: set[Namespace] = set()
    passes: dict[tuple[str, str, int], bool] = {}
    for host, boot_id, nsid, start, parent in rows:
        below = passes.get((host, boot_id, parent), False)
        passes[host, boot_id, nsid] = below or nsid in chosen or (nsid, start) in chosen
        if below:
            found.add((nsid, start))
    return found


def _inodes(namespaces: pd.DataFrame, text: str) -> set[int]:
    found = re.fullmatch(r"(?:pid:\[)?(\d{1,20})\]?", text.strip(), re.ASCII)
    if not found:
        wanted = {parse_ns(text)}
    elif int(found[1]) > PID_MAX_LIMIT:
        wanted = {int(found[1])}
    else:
        wanted = set(namespaces["nsid"][namespaces["init_pid"] == int(found[1])].astype(int))
    if not wanted & set(namespaces["nsid"].astype(int)):
        known = ", ".join(map(str, namespaces["nsid"].astype(int).drop_duplicates().head(8)))
        raise BadInput(f"the recording has no PID namespace {text!r}: it has {known or 'none'}")
    return wanted
