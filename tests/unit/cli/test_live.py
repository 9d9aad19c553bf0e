"""What a live command says at its end."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from sigtrace.cli.live import footer
from sigtrace.clock import TICK_NS
from sigtrace.events.counts import COUNT, Counts
from sigtrace.events.nskey import NsKey
from sigtrace.live.kernel.counts import Losses
from tests.builders.naming import WEB, drop


def test_the_totals_at_the_end_tell_users_of_one_inode_apart(capsys: pytest.CaptureFixture[str]) -> None:
    rows = np.zeros(2, COUNT)
    drops = drop(7), drop(7, 900 * TICK_NS)
    for row, one in zip(rows, drops, strict=True):
        for name in set(rows.dtype.names or ()) & set(one.dtype.names or ()):
            row[name] = one[name][0]
    rows["count"] = 3, 2
    counts = Counts(rows)
    assert counts.dropped() == {7: 5}
    live = SimpleNamespace(
        counts=lambda: counts,
        losses=lambda: Losses(5, 0, 0, 0),
        names=SimpleNamespace(known=lambda: {NsKey(7, 500): WEB}),
    )
    footer(live)  # type: ignore[arg-type]
    assert "5 signals seen, 5 dropped: 3 in web-1 (7), 2 in 7\n" in capsys.readouterr().err
