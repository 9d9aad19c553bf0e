"""The fenced blocks of the pages, and how each says what it shows.

A comment before a block, which no reader sees, names the world (`worlds.py`) in which its commands are run:

    <!-- shown: shop -->                                        the block's own lines `$ sigtrace ...`
    <!-- shown: shop: sigtrace summary /var/tmp/signals -->     a block of output alone
    <!-- as is: why it is not checked -->                       another program's files and outputs
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_BLOCK = re.compile(
    r"(?:^ *<!-- (?P<how>shown|as is): (?P<what>[^\n]*?) -->\n\n?)?"
    r"^(?P<indent> *)```(?P<language>\w*)\n(?P<text>.*?)^(?P=indent)```$",
    re.M | re.S,
)


@dataclass(frozen=True)
class Block:
    """A fenced block."""

    page: Path
    line: int
    language: str
    text: str
    how: str = ""
    """`shown`, `as is` or nothing: what its comment says."""
    what: str = ""
    """The world, and the command if the block has none; or the reason."""

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def world(self) -> str:
        """The world in which its commands are run."""
        return self.what.partition(":")[0] if self.how == "shown" else ""

    def commands(self) -> list[tuple[str, str]]:
        """Its commands, without `$ sudo`, each with the output that the page shows below it."""
        alone = self.what.partition(": ")[2]
        if alone and self.how == "shown":
            return [(alone, self.text)]
        parts = re.split(r"^\$ (.*)\n", self.text, flags=re.M)
        return [
            (words.removeprefix("sudo "), shown)
            for words, shown in zip(parts[1::2], parts[2::2], strict=True)
        ]


def blocks(page: Path) -> list[Block]:
    """Return the blocks of a page."""
    text = page.read_text()
    return [
        Block(
            page,
            text.count("\n", 0, found.start("language")) + 1,
            found["language"],
            re.sub(rf"^{found['indent']}", "", found["text"], flags=re.M),
            found["how"] or "",
            found["what"] or "",
        )
        for found in _BLOCK.finditer(text)
    ]
