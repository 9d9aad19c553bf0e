"""Too little of what a process may have, and output that cannot be written, is one sentence in every command."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands import COMMAND

pytestmark = pytest.mark.kernel


def _run(*words: str, limit: Callable[[], None] | None = None, out: str = "/dev/null") -> tuple[int, str]:
    with open(out, "wb") as output:
        done = subprocess.run(
            [*COMMAND, *words],
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=limit,
            check=False,
        )
    return done.returncode, done.stderr


def _limited(which: int, value: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(which, (value, value))


@pytest.mark.parametrize("words", [("watch",), ("record", "r"), ("top", "--once")])
def test_twenty_descriptors_are_one_sentence(words: tuple[str, ...], tmp_path: Path) -> None:
    words = tuple(word if word != "r" else str(tmp_path / "r") for word in words)
    code, said = _run(*words, limit=_limited(resource.RLIMIT_NOFILE, 20))
    assert (code, said.count("\n")) == (1, 1), said
    assert "raise `ulimit -n`" in said
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("megabytes", [60, 250])
@pytest.mark.parametrize("words", [("watch",), ("record", "r"), ("scan",)])
def test_too_little_memory_leaves_no_traceback(
    words: tuple[str, ...], megabytes: int, tmp_path: Path
) -> None:
    words = tuple(word if word != "r" else str(tmp_path / "r") for word in words)
    duration = () if words[0] == "scan" else ("--duration", "100ms")
    code, said = _run(*words, *duration, limit=_limited(resource.RLIMIT_AS, megabytes << 20))
    assert code in (0, 1)
    assert "Traceback" not in said


@pytest.mark.parametrize("words", [("scan",), ("top", "--once"), ("doctor",), ("--help",)])
def test_a_full_disk_behind_stdout_is_one_sentence(words: tuple[str, ...]) -> None:
    assert _run(*words, out="/dev/full") == (1, "sigtrace: No space left on device\n")
