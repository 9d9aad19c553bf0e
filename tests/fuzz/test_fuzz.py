"""A few hundred inputs for every target, the same each time; `make fuzz` has a million."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.changes import changed, with_tokens
from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS

EACH = 40
"""Inputs for each weight of a target, and as many of hypothesis's own."""


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_no_input_breaks_a_reader(target: Target) -> None:
    seeds, chance = target.seeds(), random.Random(target.name)
    joined = with_tokens(seeds)
    for seed in (*seeds, *joined[: round(3 * EACH * target.share)]):
        target(seed)
    for _ in range(round(EACH * target.share)):
        target(changed(chance.choice(seeds), chance))

    @settings(
        max_examples=round(EACH * min(target.share, 1)),
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.binary(max_size=400))
    def anything(raw: bytes) -> None:
        target(raw)

    anything()


def test_each_target_has_a_name_of_its_own() -> None:
    assert len({target.name for target in TARGETS}) == len(TARGETS)


def test_a_reader_that_breaks_is_a_failure() -> None:
    broken = Target("broken", lambda raw: raw.index(b"x"), list, (KeyError,))
    with pytest.raises(ValueError, match="not found"):
        broken(b"")
