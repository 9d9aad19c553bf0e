"""systemd-nspawn: `make test ARGS=tests/runtimes/test_nspawn.py`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import sigtrace
from tests.conftest import require
from tests.runtimes.claims import Claims
from tests.runtimes.nspawn import Nspawn
from tests.runtimes.runtime import Spec
from tests.runtimes.scenario import Sigtrace, ask


class TestNspawn(Claims):
    """All claims, for machines with a KillSignal=."""

    driver = Nspawn


class Abrupt(Nspawn):
    """Without a KillSignal=."""

    orderly = False


@pytest.mark.kernel
@pytest.mark.runtimes
class TestWithoutKillSignal:
    """systemd-nspawn's own way to stop a machine."""

    @pytest.fixture
    def runtime(self, files: Path) -> Iterator[Abrupt]:
        runtime = Abrupt("v2", files)
        why = runtime.available()
        require(not why, "runtimes", why)
        with runtime:
            yield runtime

    def test_a_stop_kills_at_once_and_nothing_is_dropped(self, runtime: Abrupt, tmp_path: Path) -> None:
        with Sigtrace(runtime.host, "record", tmp_path / "all"):
            running = runtime.start(Spec("abrupt"))
            (row,) = [row for row in ask(runtime.host, "scan") if row["nsid"] == running.nsid]
            stopped = runtime.stop(running)
        assert stopped.seconds < runtime.grace
        assert (row["stop_signal"], row["verdict"]) == ("SIGKILL", "stops at once")
        events = sigtrace.open(tmp_path / "all").events(ns=running.nsid)
        sent = events[(events["stage"] == "generate") & (events["sender_comm"] == "systemd-nspawn")]
        assert set(sent["signal_name"]) == {"SIGKILL"}
        assert not events["verdict"].str.startswith("dropped").any()
