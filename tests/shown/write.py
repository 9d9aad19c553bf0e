"""Write the outputs that pages show anew where they are no longer what sigtrace says: python -m tests.shown.write

As root. A block that leaves out lines (`...`) is only named: what it leaves out is for a human to choose.
"""

from __future__ import annotations

from tests.shown.blocks import PAGES, Block, blocks
from tests.shown.likeness import ANYTHING, difference
from tests.shown.worlds import WORLDS, outputs


def main() -> None:
    """Run every world, and compare."""
    shown = [block for page in PAGES for block in blocks(page)]
    for world in WORLDS:
        stale = [block for block in shown if block.world == world]
        said = outputs(world, (command for block in stale for command, _ in block.commands()))
        for block in stale:
            for command, text in block.commands():
                if text and difference(text, said[command]):
                    _replace(block, text, said[command])


def _replace(block: Block, shown: str, real: str) -> None:
    page = block.page.read_text()
    if ANYTHING in [line.strip() for line in shown.splitlines()] or shown not in page:
        print(f"{block}: to be edited by hand; sigtrace says\n{real}")
        return
    block.page.write_text(page.replace(shown, f"{real.rstrip()}\n", 1))
    print(f"{block}: written")


if __name__ == "__main__":
    main()
