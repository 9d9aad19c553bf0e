"""The postmortem of a namespace on the screen of `sigtrace top`, and what a wide screen foretells."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sigtrace.lab.stage import Stage
from tests.terminal import running

pytestmark = pytest.mark.kernel


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Stage() as opened:
        yield opened


def test_p_tells_why_the_selected_namespace_does_not_stop_and_escape_comes_back(
    stage: Stage, tmp_path: Path
) -> None:
    namespace = stage.namespace()
    with running(tmp_path, "top", "--ns", str(namespace.init.pid), "--interval", "200ms", lines=50) as tty:
        tty.shows("sorted by")
        stage.outside.kill(namespace.init, 15)
        tty.shows("TERM")
        tty.press("p")
        tty.shows("dropped-at-generate")
        tty.shows(f"PID namespace {namespace.inode}, init")
        assert any(line.strip().startswith("to do") for line in tty.lines)
        assert "esc back" in tty.lines[-1]
        tty.press("\x1b")
        tty.shows("sorted by")
        tty.press("\rp")  # from its events, and back to these
        tty.shows("dropped-at-generate")
        tty.press("q")
        tty.shows("p postmortem   space pause")


def test_a_wide_screen_says_what_a_stop_would_do(stage: Stage, tmp_path: Path) -> None:
    deaf, calm = stage.namespace(), stage.namespace()
    calm.init.set("handler", 15)
    chosen = [word for each in (deaf, calm) for word in ("--ns", str(each.init.pid))]
    with running(tmp_path, "top", *chosen, "--interval", "200ms", columns=140) as tty:
        tty.shows("ON A STOP")
        tty.until(
            lambda: any(f" {deaf.init.pid} " in line and "waits for KILL" in line for line in tty.lines)
        )
        tty.until(
            lambda: any(
                f" {calm.init.pid} " in line and "TERM" in line and "waits" not in line for line in tty.lines
            )
        )
