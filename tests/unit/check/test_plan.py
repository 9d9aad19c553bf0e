"""When a command is ready, as people write it."""

from __future__ import annotations

import pytest

from sigtrace.check.plan import Ready, parse_ready
from sigtrace.errors import BadInput


def test_a_duration_a_port_or_a_pattern() -> None:
    assert parse_ready("2s") == Ready("time", seconds=2)
    assert parse_ready("250ms") == Ready("time", seconds=0.25)
    assert parse_ready("8080") == Ready("port", port=8080)
    pattern = parse_ready("listening on .*").pattern
    assert pattern is not None
    assert pattern.search("now listening on :80")


@pytest.mark.parametrize("text", ["0", "65536", "9" * 5000, "("])
def test_what_is_none_of_them_is_refused(text: str) -> None:
    with pytest.raises(BadInput):
        parse_ready(text)
