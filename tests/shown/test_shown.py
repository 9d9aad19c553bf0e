"""What a page shows is what sigtrace says: every block is run and compared, or says why it is not."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.shown.blocks import PAGES, ROOT, Block, blocks
from tests.shown.likeness import difference, words
from tests.shown.worlds import WORLDS, outputs

BLOCKS = [block for page in PAGES for block in blocks(page)]
GENERATED = {ROOT / "docs" / "commands.md"}
"""Pages that `make docs` writes: tests/cli/test_docs.py compares them as a whole."""


def _checked(block: Block) -> bool:
    """Whether something checks the block: this module, or the tests of examples in tests/cli/test_docs.py."""
    if block.how:
        return block.world in WORLDS or bool(block.how == "as is" and block.what)
    if block.language == "console":
        return all(words.startswith("sigtrace ") and not shown for words, shown in block.commands())
    return block.language in ("python", "sh") or block.page in GENERATED


def test_every_block_is_checked_or_says_why_not() -> None:
    assert [str(block) for block in BLOCKS if not _checked(block)] == []


def test_every_fence_is_part_of_a_block() -> None:
    for page in PAGES:
        fences = [line for line in page.read_text().splitlines() if line.lstrip().startswith("```")]
        assert len(fences) == 2 * len(blocks(page)), page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_code_is_in_fences_where_it_is_seen_as_code(page: Path) -> None:
    text = re.sub(r"^( *)```.*?^\1```$", "", page.read_text(), flags=re.M | re.S)
    top = ""
    for before, line in itertools.pairwise(text.splitlines()):
        top = line if line[:1].strip() else top
        assert before or not line.startswith("    ") or re.match(r"[-*] |\d+\. ", top), line


def _of(world: str) -> list[tuple[Block, str, str]]:
    """The blocks of a world, with each of their commands and what the page shows of it."""
    return [(block, *each) for block in BLOCKS if block.world == world for each in block.commands()]


@pytest.fixture(scope="module")
def said() -> dict[str, dict[str, str]]:
    """What sigtrace says in each world; most of the time they wait for the ends of grace periods, all at once."""
    with ThreadPoolExecutor() as pool:
        asked = {
            world: pool.submit(outputs, world, [command for _, command, _ in _of(world)]) for world in WORLDS
        }
        return {world: each.result() for world, each in asked.items()}


@pytest.mark.kernel
@pytest.mark.parametrize("world", WORLDS)
def test_what_a_page_shows_is_what_sigtrace_says(world: str, said: dict[str, dict[str, str]]) -> None:
    wrong = {
        f"{block}: {command}": found
        for block, command, text in _of(world)
        if (found := difference(text, said[world][command]))
    }
    assert not wrong, "\n\n".join(f"{where}\n{found}" for where, found in wrong.items())


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "sh"], ids=str)
def test_a_script_is_one_for_the_shell(block: Block) -> None:
    subprocess.run(["bash", "-n"], input=block.text, text=True, check=True, env={**os.environ, "LC_ALL": "C"})


def test_another_word_a_missing_line_and_another_order_are_differences() -> None:
    real = "10:22:02.353 web-1 TERM runc/20938\nsigtrace: 3 signals seen\n0 records lost\n"
    assert difference("09:01:02.000 web-1 TERM runc/17\n...\n0 records lost\n", real) == ""
    changed = (
        "web-1 KILL runc/1\n",
        "0 records lost\n...\nweb-1 TERM runc/17\n",
        "2 signals seen\n",
        f"{real}more",
    )
    assert [shown for shown in changed if not difference(shown, real)] == []
    assert words("pid:[4026532180] after 10.02 s") == ["pid:[PID]", "after", "SPAN"]
