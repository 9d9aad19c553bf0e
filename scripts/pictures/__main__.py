"""Write the pictures; names of pictures as arguments make only those."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from scripts.pictures import scenes

IMAGES = Path(__file__).parents[2] / "docs" / "images"
MOST_BYTES = 200_000


def _pictures(only: list[str]) -> Iterator[tuple[str, bytes]]:
    for name, make in (("demo.svg", scenes.demo), ("top.svg", scenes.top)):
        if not only or name in only:
            yield name, make().encode()
    if not only or "timeline.png" in only:
        yield "timeline.png", scenes.timeline()
    if not only or any(name.startswith("report") for name in only):
        yield from scenes.report()


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    for name, content in _pictures(sys.argv[1:]):
        if len(content) >= MOST_BYTES:
            raise SystemExit(f"{name} has {len(content):,} bytes: {MOST_BYTES:,} are the most")
        (IMAGES / name).write_bytes(content)
        print(f"{name}: {len(content):,} bytes")
