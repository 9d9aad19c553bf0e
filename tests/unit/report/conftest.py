"""The report of the bad night."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.builders.incident import incident
from tests.builders.pages import Element, parsed
from tests.builders.reports import report


@pytest.fixture(scope="package")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return incident(tmp_path_factory.mktemp("incident") / "recording")


@pytest.fixture(scope="package")
def content(recording: Path) -> bytes:
    return report(recording)


@pytest.fixture(scope="package")
def page(content: bytes) -> Element:
    return parsed(content)
