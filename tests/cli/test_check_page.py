"""docs/check.md: what it says that `sigtrace check` prints is what that prints, and what it says for CI can be used."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml

from sigtrace.cli.check import check

pytestmark = pytest.mark.kernel

PAGE = Path(__file__).parents[2] / "docs" / "check.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.M | re.S)


def plain(text: str) -> list[str]:
    """Without what differs from run to run: PIDs, times, and where a line is wrapped because of them."""
    text = re.sub(r"(?<=\w)\[\d+\]", "[7]", text)
    text = re.sub(r"\d+(\.\d+)? m?s (on|after)", r"0.2 s \2", text)
    return " ".join(text.split()).split(" ")


OUTPUTS = [block for block in blocks("console") if block.count("\n") > 1 and "$ " not in block[2:]]


def test_there_are_blocks_of_output() -> None:
    assert len(OUTPUTS) >= 4


@pytest.mark.parametrize("block", OUTPUTS, ids=lambda block: block.partition("\n")[0])
def test_what_the_page_shows_is_what_is_printed(block: str) -> None:
    command, _, shown = block.removeprefix("$ ").partition("\n")
    cut = shown.endswith("...\n")
    script = f'sigtrace() {{ {shlex.quote(sys.executable)} -m sigtrace "$@"; }}\n{command}'
    env = {**os.environ, "PYTHONPATH": str(PAGE.parents[1])}
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False, env=env)
    printed, expected = plain(done.stdout), plain(shown.removesuffix("...\n"))
    if cut:
        printed = printed[: len(expected)]
    assert printed == expected, done.stderr


def _commands() -> list[str]:
    pipelines = [yaml.safe_load(block) for block in blocks("yaml")]
    found = [line for pipeline in pipelines for line in _strings(pipeline)]
    found += [line for block in blocks("make") for line in block.splitlines()]
    return [
        line
        for line in found
        if re.search(r"\bsigtrace\b.* check ", line) or line.strip().startswith("sigtrace check")
    ]


def _strings(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for each in value.values() for text in _strings(each)]
    if isinstance(value, list):
        return [text for each in value for text in _strings(each)]
    return [value] if isinstance(value, str) else []


def test_there_are_commands_for_each_kind_of_ci() -> None:
    assert len(_commands()) == 4


@pytest.mark.parametrize("line", _commands())
def test_the_commands_for_ci_are_understood(line: str) -> None:
    words = shlex.split(line)
    assert isinstance(check.make_context("check", words[words.index("check") + 1 :]), click.Context)
