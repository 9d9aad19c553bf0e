"""docs/programs.md says what the tests observe."""

from __future__ import annotations

from tests.programs import page


def test_the_page_has_the_programs_as_they_are() -> None:
    text = page.PAGE.read_text()
    assert text.count("<!-- programs: ") == 5
    assert text == page.written(text), "run `make docs`"
