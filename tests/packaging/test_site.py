"""docs/ as a site: every link leads somewhere, every page can be found, and nothing comes from elsewhere."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as `make site` builds it; a link or an anchor that leads nowhere fails this."""
    where = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", where],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return where


def test_every_page_of_the_documentation_is_in_the_navigation_and_in_the_search(site: Path) -> None:
    pages = {
        page.relative_to(ROOT / "docs").with_suffix(".html").as_posix()
        for page in (ROOT / "docs").rglob("*.md")
    }
    first = (site / "index.html").read_text()
    listed = set(re.findall(r'href="(?:\./)?([\w/.-]+\.html)" class="md-nav__link', first))
    found = {
        entry["location"] for entry in json.loads((site / "search" / "search_index.json").read_text())["docs"]
    }
    assert pages - listed == set()
    assert pages - found == set()


def test_a_page_needs_no_network(site: Path) -> None:
    elsewhere = r'="(?:\w+:)?//[^"]*"'
    fetched = re.compile(
        rf'<(?:script|img|iframe)[^>]*\bsrc{elsewhere}|<link rel="stylesheet"[^>]*\bhref{elsewhere}'
    )
    pages = list(site.rglob("*.html"))
    assert pages
    for page in pages:
        assert not fetched.search(page.read_text()), page
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(?:https?:)?//", sheet.read_text()), sheet


def test_a_link_out_of_the_documentation_is_text_on_the_site(site: Path) -> None:
    shown = (site / "reliability.html").read_text()
    assert "../tests/" not in shown
    assert "test_recorder_disks" in (ROOT / "docs" / "reliability.md").read_text()
