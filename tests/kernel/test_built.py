"""The programs built in advance are what bcc makes of the sources, and are all that a start needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from sigtrace.doctor.probes import bcc_version
from sigtrace.errors import CannotTrace
from sigtrace.lab.stage import Stage
from sigtrace.live.collector import Collector
from sigtrace.live.kernel import build, built, compile
from tests.conftest import require

pytestmark = pytest.mark.kernel


@pytest.mark.timeout(300)
def test_building_again_gives_the_same_file() -> None:
    version = built.contents()["bcc"]
    here = {bcc_version(python) for python in compile.interpreters()}
    require(version in here, "kernel", f"the programs were built by bcc {version}, which is not installed")
    assert build.build() == Path(built.FILE).read_bytes(), (
        "it is not what the sources give: run `make programs`"
    )


@pytest.mark.parametrize("method", ["btf", "raw"])
def test_a_start_needs_no_compiler(stage: Stage, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    monkeypatch.setattr(compile, "interpreters", list)
    namespace = stage.namespace()
    with Collector(ns=[namespace.inode], method=method) as live:  # type: ignore[arg-type]
        stage.outside.kill(namespace.init, 15)
        (row,) = live.drain(1).rows()
        assert live.notes == []
    assert (row["verdict"], row["sender_pid"]) == ("dropped_at_generate", stage.outside.pid)


@pytest.fixture
def unfit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(built, "contents", lambda: {**_CONTENTS, "sizes": {"S_UPID": 17}})


_CONTENTS = built.contents()


@pytest.mark.usefixtures("unfit")
def test_where_the_built_programs_do_not_fit_bcc_compiles_them_and_a_note_says_so(stage: Stage) -> None:
    require(any(map(bcc_version, compile.interpreters())), "kernel", "bcc is not installed")
    namespace = stage.namespace()
    with Collector(ns=[namespace.inode]) as live:
        stage.outside.kill(namespace.init, 15)
        assert [row["verdict"] for row in live.drain(1).rows()] == ["dropped_at_generate"]
        (note,) = live.notes
    assert note.startswith(
        "S_UPID is 16 on this kernel, and 17 in the programs that were built; they were compiled"
    )


@pytest.mark.usefixtures("unfit")
def test_without_bcc_it_says_which_package_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compile, "interpreters", list)
    with pytest.raises(CannotTrace, match="apt install python3-bpfcc"), Collector():
        pass
