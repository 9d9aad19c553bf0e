"""What a TAB asks for, by what was typed; the table is what the commands say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sigtrace.completion.line import asked, split
from sigtrace.completion.shells import answer

ROOT = Path(__file__).parents[3]


def test_the_table_is_what_the_commands_say() -> None:
    """In a process of its own: click remembers on a command how it was first asked for help."""
    code = "from scripts.completion_table import HERE, table; assert HERE.read_text() == table(), 'run `make docs`'"
    subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True
    )


@pytest.mark.parametrize(
    ("line", "kind", "begun"),
    [
        ("explain web", "targets", "web"),
        ("ps web", "targets", "web"),
        ("explain web-1 x", "", "x"),
        ("scan a b c", "targets", "c"),
        ("explain --container we", "containers", "we"),
        ("explain -c we", "containers", "we"),
        ("explain -cweb x", "targets", "x"),
        ("explain --container=we", "containers", "we"),
        ("watch --signal = TE", "signals", "TE"),
        ("watch --signal TERM --sig", "", "--sig"),
        ("watch --all we", "targets", "we"),
        ("scan -- --x", "targets", "--x"),
        ("explain --from in", ":inside outside", "in"),
        ("summary /var", "directories", "/var"),
        ("summary --since y", ":today yesterday now 10m 1h", "y"),
        ("postmortem x", "directories+targets", "x"),
        ("completion ", ":bash zsh fish", ""),
        ("nonsense --signal ", "", ""),
    ],
)
def test_a_place_on_the_line_has_its_kind_of_value(line: str, kind: str, begun: str) -> None:
    *words, last = line.split(" ")
    assert asked(words, last)[:2] == (kind, begun)


def test_options_are_offered_once_unless_they_can_be_repeated() -> None:
    def options(*words: str) -> set[str]:
        return {name for name, _ in asked(words, "--")[2]}

    assert {"--format", "--container", "--help"} <= options("scan")
    assert "--format" not in options("scan", "--format", "json")
    assert "--container" in options("scan", "--container", "web-1")


def test_commands_are_offered_first() -> None:
    assert answer("bash", "sigtrace\nsc", "1") == "scan\tWhat happens when each container is stopped?\n"
    assert (
        answer("zsh", "sigtrace\nexplain\n--signal=TER", "2")
        == "--signal=TERM\t15: ends a process by default\n"
    )
    assert answer("bash", "", "x").startswith("watch\t")


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("a 'b c' d", ["a", "b c", "d"]),
        ('say "a \\" b"', ["say", 'a " b']),
        ("a\\ b 'c", ["a b", "c"]),
        ("'' x", ["", "x"]),
        ("  ", []),
    ],
)
def test_quoted_words_are_what_the_shell_takes_them_for(typed: str, words: list[str]) -> None:
    assert split(typed) == words
