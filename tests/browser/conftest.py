"""A browser for the whole tier, and the reports that it opens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import sigtrace
from sigtrace.recording.selection import Selection
from sigtrace.report import gather, html
from tests.browser.chromium import Browser, Page, chromium, why_no_browser
from tests.builders.incident import incident
from tests.conftest import require


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    require(not why_no_browser(), "browser", why_no_browser())
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where the report of the bad night is."""
    where = tmp_path_factory.mktemp("report")
    path = where / "report.html"
    path.write_bytes(html(gather(sigtrace.open(incident(where / "recording")), Selection())))
    return path.as_uri()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    opened = browser.page(address)
    yield opened
    opened.close()


@pytest.fixture
def still(browser: Browser, address: str) -> Iterator[Page]:
    """The same without JavaScript."""
    opened = browser.page(address, script=False)
    yield opened
    opened.close()


def saved(where: Path, content: bytes) -> str:
    """The address of a page."""
    where.write_bytes(content)
    return where.as_uri()
