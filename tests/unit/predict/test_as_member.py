"""What an init survives and a member does not."""

from __future__ import annotations

from sigtrace.predict.as_member import newly_fatal, warning
from sigtrace.signals import HUP, INT, PIPE, QUIT, TERM, USR1, mask

REST = mask([PIPE, 12, 14])


def test_what_is_neither_handled_nor_ignored_ends_a_member() -> None:
    assert newly_fatal(mask([HUP]) | REST, TERM) == [INT, QUIT, USR1]
    assert newly_fatal(mask([HUP]) | REST) == [INT, QUIT, USR1, TERM]


def test_the_signals_are_named_in_one_sentence() -> None:
    assert warning(mask([HUP, INT]) | REST, TERM) == (
        "behind a small init the program is not PID 1: SIGQUIT and SIGUSR1, which are dropped now, then end it as well"
    )
    assert warning(mask([HUP, INT, QUIT]) | REST, TERM) == (
        "behind a small init the program is not PID 1: SIGUSR1, which is dropped now, then ends it as well"
    )
    assert warning(mask(range(1, 32)), TERM) == ""
