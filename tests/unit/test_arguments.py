"""One value where several may be given."""

from __future__ import annotations

import numpy as np
import pytest

from sigtrace.arguments import several
from sigtrace.events.nskey import NsKey


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("web-1", ("web-1",)),
        (15, (15,)),
        ("", ("",)),
        ((), ()),
        (["a", "b"], ("a", "b")),
        ({4: 1}, (4,)),
        (None, ()),
        (np.uint32(7), (7,)),
    ],
)
def test_one_value_stands_for_itself_and_not_for_its_characters(given: object, meant: object) -> None:
    assert several(given) == meant


def test_a_type_that_is_a_sequence_may_be_one_value() -> None:
    key = NsKey(4026532249, 5)
    assert several(key, NsKey) == (key,)
    assert several([key], NsKey) == (key,)
