"""One value where several may be given."""

from __future__ import annotations

import pytest

from sigtrace.arguments import several


@pytest.mark.parametrize(
    ("given", "meant"),
    [("web-1", ("web-1",)), (15, (15,)), ("", ("",)), ((), ()), (["a", "b"], ("a", "b")), ({4: 1}, (4,))],
)
def test_one_value_stands_for_itself_and_not_for_its_characters(given: object, meant: object) -> None:
    assert several(given) == meant  # type: ignore[type-var]
