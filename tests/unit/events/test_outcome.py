"""The words for what became of a signal: one of each, that fits, and says which it was."""

from __future__ import annotations

import re

import pytest

from sigtrace.events import outcome
from sigtrace.events.outcome import KINDS, OUTCOMES


def test_every_outcome_has_a_mark_and_every_mark_an_outcome() -> None:
    assert {each.kind for each in OUTCOMES.values()} | {"kill"} == set(KINDS)


def test_labels_sentences_and_legends_are_all_different() -> None:
    known = [*OUTCOMES.values(), outcome.FROM_INSIDE]
    for texts in ([each.label for each in known], [each.sentence for each in known]):
        assert len(set(texts)) == len(texts)
    assert (
        len({kind.words for kind in KINDS.values()})
        == len({kind.glyph for kind in KINDS.values()})
        == len(KINDS)
    )


def test_labels_fit_their_column() -> None:
    assert max(len(outcome.label(name, signal)) for name in OUTCOMES for signal in range(256)) <= 20


def test_glyphs_are_paths_about_the_middle() -> None:
    for kind in KINDS.values():
        assert re.fullmatch(r"[MLHVAZ0-9.,-]+", kind.glyph)
        assert max(abs(float(number)) for number in re.findall(r"-?\d*\.?\d+", kind.glyph)) <= 1.2


@pytest.mark.parametrize(
    ("verdict", "signal", "label", "kind"),
    [
        ("dropped_at_generate", 15, "dropped: no handler", "dropped"),
        ("dropped_at_generate", 9, "dropped: from inside", "dropped"),
        ("dropped_at_generate", 19, "dropped: from inside", "dropped"),
        ("dropped_at_deliver", 15, "dropped: late", "late"),
        ("resumes", 18, "resumes if stopped", "other"),
        ("ignored", 15, "ignored: SIG_IGN", "ignored"),
        ("default_ignored", 17, "ignored: default", "nothing"),
        ("queued", 15, "queued", "sent"),
        ("queued", 9, "queued", "kill"),
        ("coalesced", 9, "already pending", "kill"),
        ("default_action", 9, "default action", "acted"),
        ("exited", 0, "exited", "exited"),
    ],
)
def test_some_signals_have_words_of_their_own(verdict: str, signal: int, label: str, kind: str) -> None:
    assert (outcome.label(verdict, signal), outcome.kind(verdict, signal)) == (label, kind)


def test_an_end_is_told_by_its_code_or_by_its_signal() -> None:
    assert (outcome.ended(0, 0), outcome.ended(143, 0), outcome.ended(0, 9)) == (
        "exited with code 0",
        "exited with code 143",
        "killed by SIGKILL",
    )
    assert (outcome.ends(7, 0), outcome.ends(0, 15)) == ("exits with code 7", "is killed by SIGTERM")
