"""What keys change on the screen of `sigtrace top`."""

from __future__ import annotations

import pytest

from sigtrace.cli.top_view import SORTS
from tests.builders.samples import ROWS, listed, pressed


@pytest.mark.parametrize(
    ("keys", "order"),
    [
        ((), [413, 564, 464, 0]),
        (("d",), [0, 464, 564, 413]),  # sorted so already: the other way round
        (("g",), [464, 413, 0, 564]),
        (("t",), [564, 413, 0, 464]),
        (("n",), [464, 564, 0, 413]),
        (("i",), [564, 0, 413, 464]),
        (("c",), [464, 564, 413, 0]),
    ],
)
def test_keys_sort(keys: tuple[str, ...], order: list[int]) -> None:
    assert listed(pressed(*keys)) == order


def test_s_goes_through_all_columns_and_comes_back() -> None:
    seen = [pressed(*"s" * times).column for times in range(len(SORTS) + 1)]
    assert seen[0] == seen[-1]
    assert set(seen) == {title for title, _, _ in SORTS.values()}


def test_letters_typed_into_the_filter_are_no_commands() -> None:
    view = pressed("/", "q", "p", "h", "x", "backspace")
    assert (view.filter, view.ended, view.paused, view.help) == ("qph", False, False, False)
    view.press("escape", [])
    assert (view.filter, view.typing) == ("", False)


def test_the_selection_stays_with_its_namespace_when_the_order_changes() -> None:
    view = pressed("down")
    assert view.selected == (4026532400, 7)
    view.press("g", view.rows(ROWS))
    assert view.place(view.rows(ROWS)) == 3
    view.press("enter", view.rows(ROWS))
    assert view.opened == (4026532400, 7)


@pytest.mark.parametrize("back", ["q", "escape", "left", "backspace"])
def test_p_opens_the_postmortem_of_the_selected_and_comes_back(back: str) -> None:
    view = pressed("down", "p")
    assert (view.examined, view.opened, view.ended) == ((4026532400, 7), None, False)
    view.press(back, [])
    assert (view.examined, view.ended) == (None, False)


def test_from_the_events_p_opens_the_postmortem_and_goes_back_to_them() -> None:
    view = pressed("enter", "p")
    assert view.examined == view.opened == (4026532249, 5)
    view.press("escape", [])
    assert (view.examined, view.opened) == (None, (4026532249, 5))


def test_enter_opens_the_first_when_nothing_was_selected() -> None:
    assert pressed("enter").opened == (4026532249, 5)
