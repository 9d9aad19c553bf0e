"""The manual pages: made from the commands' help, as man(1) and mandoc(1) want them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from sigtrace.cli import cli
from tests.conftest import require

ROOT = Path(__file__).parents[2]
COMMANDS = cli.list_commands(click.Context(cli))


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory man1, as the build makes it."""
    made = tmp_path_factory.mktemp("man") / "man1"
    subprocess.run(
        [sys.executable, ROOT / "scripts" / "man_pages.py", made],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
    )
    return made


def shown(page: Path) -> str:
    """A page as a terminal shows it, without bold."""
    require(shutil.which("groff") is not None, "docs", "groff shows the manual pages")
    done = subprocess.run(
        ["groff", "-ww", "-man", "-Tutf8", "-P-c", "-P-b", "-P-o", "-P-u", "-rLL=200n", page],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == "", page.name
    return done.stdout


def test_sigtrace_and_each_command_have_a_page(pages: Path) -> None:
    expected = {"sigtrace.1", *(f"sigtrace-{name}.1" for name in COMMANDS)}
    assert {page.name for page in pages.iterdir()} == expected


def test_mandoc_finds_no_fault_in_them(pages: Path) -> None:
    require(shutil.which("mandoc") is not None, "docs", "mandoc checks the manual pages")
    done = subprocess.run(
        ["mandoc", "-Tlint", "-W", "warning", *sorted(pages.iterdir())],
        capture_output=True,
        text=True,
        check=False,
    )
    # the pages of a release are the same whenever they are made: none has a date
    assert [line for line in done.stdout.splitlines() if "missing date" not in line] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_a_page_shows_every_option_and_each_example_literally(name: str, pages: Path) -> None:
    text = shown(pages / f"sigtrace-{name}.1")
    with click.Context(cli, info_name="sigtrace") as top:
        command = cli.get_command(top, name)
    assert command is not None
    assert f"sigtrace-{name} - {command.short_help}" in text
    for option in command.params:
        if isinstance(option, click.Option) and not option.hidden:
            assert all(re.search(rf"^ +.*(?<!\S){re.escape(word)}\b", text, re.M) for word in option.opts)
    examples = re.findall(r"^ +((?:sudo )?sigtrace .*)", (command.help or "").partition("Examples:")[2], re.M)
    assert examples
    assert [example for example in examples if f" {example}\n" not in text] == []


def test_the_first_page_leads_to_the_others(pages: Path) -> None:
    text = shown(pages / "sigtrace.1")
    assert [name for name in COMMANDS if f"sigtrace-{name}(1)" not in text] == []
    assert "SIGTRACE_ROOTS" in text
