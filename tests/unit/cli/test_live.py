"""What a live command says at its end."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from sigtrace.cli.live import footer
from sigtrace.clock import TICK_NS
from sigtrace.events.counts import Counts
from sigtrace.events.losses import Losses
from sigtrace.events.nskey import NsKey
from tests.builders.naming import WEB, drop
from tests.builders.records import counted


def test_the_totals_at_the_end_tell_users_of_one_inode_apart(capsys: pytest.CaptureFixture[str]) -> None:
    counts = Counts(np.concatenate([counted(drop(7), 3), counted(drop(7, 900 * TICK_NS), 2)]))
    assert counts.dropped() == {7: 5}
    live = SimpleNamespace(
        counts=lambda: counts,
        losses=lambda: Losses(5, 0, 0, 0),
        names=SimpleNamespace(known=lambda: {NsKey(7, 500): WEB}),
    )
    footer(live)  # type: ignore[arg-type]
    assert "5 signals seen, 5 dropped: 3 in web-1 (7), 2 in 7\n" in capsys.readouterr().err
