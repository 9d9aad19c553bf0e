"""bcc in a child process that hangs, dies or answers rubbish is one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sigtrace.errors import CompileFailed
from sigtrace.live.kernel import compile as compiling
from tests.unit.live.kernel.test_built import FACTS


def _interpreter(where: Path, script: str) -> str:
    path = where / "python"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("sleep 1000 & wait", "did not finish within 200 ms"),
        ("exec sleep 1000", "did not finish within 200 ms"),
        ("kill -SEGV $$", "ended with -11 and said nothing"),
        ("echo 'out of cheese' >&2; exit 7", "out of cheese"),
        ("exit 0", "ended with 0 and said nothing"),
        ("echo rubbish", "makes no sense: rubbish"),
        (r"printf '\033[2J\377'", r"makes no sense: \x1b"),
        ("echo '{}'", "makes no sense"),
        ("echo '[1]'", "makes no sense"),
        ("""echo '{"instructions": {"on_exit": "zz"}, "maps": {}, "version": 1}'""", "makes no sense"),
        ("""echo '{"instructions": {}, "maps": {"1": "events"}, "version": 1}'""", "makes no sense"),
    ],
)
def test_a_compiler_that_misbehaves_is_one_sentence(
    script: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiling, "interpreters", lambda: [_interpreter(tmp_path, script)])
    monkeypatch.setattr(compiling, "_TIMEOUT", 0.2 if "sleep" in script else 60)
    with pytest.raises(CompileFailed) as raised:
        compiling.compile_programs(FACTS, direct=True)
    assert says in str(raised.value)
    assert "\x1b" not in str(raised.value)


def test_what_the_child_answers_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = {
        "version": "0.29",
        "instructions": dict.fromkeys(compiling.TRACEPOINTS, "00" * 8),
        "maps": {str(number): name for number, name in enumerate(compiling.MAPS, 3)},
    }
    (tmp_path / "answer").write_text(json.dumps(answer))
    monkeypatch.setattr(compiling, "interpreters", lambda: [_interpreter(tmp_path, f"cat {tmp_path}/answer")])
    compiled = compiling.compile_programs(FACTS, direct=False)
    assert (compiled.bcc_version, len(compiled.instructions)) == ("0.29", len(compiling.TRACEPOINTS))
