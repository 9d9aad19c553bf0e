"""Which of a recording's PID namespaces a user means."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from sigtrace.errors import BadInput
from sigtrace.pidns import PID_MAX_LIMIT, parse_ns

if TYPE_CHECKING:
    import pandas as pd


def select(namespaces: pd.DataFrame, texts: Iterable[str], descendants: bool = False) -> tuple[int, ...]:
    """The inodes of the namespaces that `texts` name; with `descendants`, also of those below them.

    `namespaces`: the recording's table. A text is an inode, `pid:[inode]`, the PID of an init, or a path as
    `pidns.parse_ns` reads it. Raises BadInput for what the recording does not have.
    """
    chosen = {inode for text in texts for inode in _inodes(namespaces, text)}
    while descendants:
        below = set(namespaces["nsid"][namespaces["parent_nsid"].isin(chosen)].astype(int)) - chosen
        if not below:
            break
        chosen |= below
    return tuple(sorted(chosen))


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
