"""Hooks of mkdocs, which builds docs/ as a site: mkdocs.yml names this file."""

from __future__ import annotations

import posixpath
import re
from typing import Any

_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?!\w+:|#)([^)#\s]+)(?:#[^)\s]*)?\)")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Leave of a link that leads out of docs/, to code or to the README, only its text: the site has no such page."""

    def shown(found: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(page.file.src_uri), found[2]))
        return found[1] if target.startswith("../") else found[0]

    return _LINK.sub(shown, markdown)


def on_files(files: Any, config: Any, **_: Any) -> Any:
    """Append to the navigation the pages that have no place in it yet, so that none is without a way to it."""
    placed = set(re.findall(r"'([^']+\.md)'", repr(config["nav"])))
    more = sorted({file.src_uri for file in files.documentation_pages()} - placed)
    config["nav"] += [{"More": more}] if more else []
    return files
