"""The library from the top, on real processes: a container by its name, wherever a name may be given."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

import sigtrace
from sigtrace.errors import BadInput
from sigtrace.lab.stage import Stage
from tests.containers import dockerlike
from tests.patience import patient

pytestmark = pytest.mark.kernel


@pytest.fixture
def deaf(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int, int]]:
    """A container without a handler for its stop signal: its name, the inode of its namespace, and its init's PID."""
    with Stage() as stage:
        namespace = stage.namespace()
        name = f"deaf-{os.getpid()}"
        with dockerlike(namespace.init.pid, name) as container:
            monkeypatch.setenv("SIGTRACE_ROOTS", container.env["SIGTRACE_ROOTS"])
            yield name, namespace.inode, namespace.init.pid


def test_scan_finds_it_by_its_name_its_inode_and_a_path(deaf: tuple[str, int, int]) -> None:
    name, inode, pid = deaf
    for asked in (
        {"container": name},
        {"container": [f"{name[:6]}*"]},
        {"ns": inode},
        {"ns": f"/proc/{pid}/ns/pid"},
    ):
        (row,) = sigtrace.scan(**asked)  # type: ignore[arg-type]
        assert (row.namespace.nsid, row.verdict) == (inode, "waits for KILL")
        assert row.container is not None
        assert row.container.name == name
    assert inode in [row.namespace.nsid for row in sigtrace.scan()]
    assert len(sigtrace.scan()) > 1
    with pytest.raises(BadInput, match="no container here is called 'nobody-there'"):
        sigtrace.scan(container="nobody-there")


def test_explain_finds_its_init(deaf: tuple[str, int, int]) -> None:
    name, _, pid = deaf
    told = sigtrace.explain(container=name)
    assert (told.target.pid, told.signal, told.prediction.dropped) == (pid, 15, True)
    assert told.as_dict() == sigtrace.explain("TERM", pid).as_dict()
    assert sigtrace.explain("TERM", pid, os.getpid()).relation == "ancestor"


def test_a_collector_takes_one_name_and_one_signal(deaf: tuple[str, int, int]) -> None:
    name, inode, pid = deaf
    with sigtrace.Collector(container=name, signals="TERM", scope="all") as live:
        for number in (2, 15):
            os.kill(pid, number)
        frame = live.drain(timeout=patient(5)).to_pandas()
    assert frame[["nsid", "signal_name"]].drop_duplicates().values.tolist() == [[inode, "SIGTERM"]]


def test_a_live_postmortem_says_what_would_keep_it(deaf: tuple[str, int, int]) -> None:
    name, inode, _ = deaf
    for report in (
        sigtrace.postmortem.live(container=name, listen=0.1),
        sigtrace.postmortem.live(ns=inode, listen=0.1),
    ):
        assert (report.case.nsid, report.problems) == (inode, ())
        assert [finding.cause for finding in report.findings] == ["dropped-at-generate"]
    with pytest.raises(BadInput, match="no container here is called"):
        sigtrace.postmortem.live(container="nobody-there")
