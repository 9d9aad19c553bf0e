"""Which finding comes first: the one that explains the stop that is told, whatever it is called."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigtrace.postmortem import Case, Finding, diagnose
from sigtrace.postmortem.finding import CONFIDENCES, SEVERITIES, Confidence, Severity
from sigtrace.postmortem.ranking import rank
from sigtrace.postmortem.relevance import ordered
from tests.builders.cases import KILL, KILLED, NSID, case, event, replace_time

INSIDE = {"relation": "same", "sender_comm": b"sh", "sender_nsid": NSID}
FROM_INSIDE = event(1, signal=9, **INSIDE)
"""`kill -9 1` inside, which has no effect."""


def stop(at: float, **changes: object) -> list[np.ndarray]:
    """SIGTERM is dropped at this second, SIGKILL follows ten seconds later."""
    end = at + 10
    return [event(at, **changes), replace_time(KILL, end), replace_time(KILLED, end)]


def told(found: Case) -> list[tuple[str, str, str]]:
    """Cause, severity, and where it was if not in the stop."""
    places = ("Before this stop", "In an earlier stop", "In a later stop")
    return [
        (each.cause, each.severity, next((p for p in places if each.summary.startswith(f"{p}: ")), ""))
        for each in diagnose(found).findings
    ]


def test_what_explains_the_stop_comes_before_a_cause_that_sorts_first() -> None:
    handled = {"disposition": "handler", "flags": ("init",)}
    delivered = event(3.1, stage="deliver", result=-1, **handled)
    asked, *end = stop(3, result=0, **handled)
    assert [cause for cause, *_ in told(case([FROM_INSIDE, asked, delivered, *end]))] == [
        "slow-handler",
        "kill-from-inside",
    ]
    found = case([FROM_INSIDE, *stop(3)])
    assert told(found) == [
        ("dropped-at-generate", "error", ""),
        ("kill-from-inside", "warning", "Before this stop"),
    ]
    (standing,) = rank([found])
    assert standing.report.findings[0].cause == "dropped-at-generate"
    assert standing.severity == "error"


def test_what_happened_during_the_stop_comes_after_what_explains_it_and_stays_an_error() -> None:
    asked, *end = stop(1)
    found = case([asked, replace_time(FROM_INSIDE, 4), *end])
    assert told(found) == [("dropped-at-generate", "error", ""), ("kill-from-inside", "error", "")]


def test_without_a_stop_the_most_severe_comes_first_and_nothing_is_before_it() -> None:
    assert told(case([FROM_INSIDE])) == [("kill-from-inside", "error", "")]


def test_of_two_stops_the_last_is_told() -> None:
    ignored = {"disposition": "ignore", "flags": ("init",)}
    found = case([event(1), *stop(2000, **ignored)])
    assert told(found) == [
        ("ignored-by-program", "error", ""),
        ("dropped-at-generate", "error", "In an earlier stop"),
    ]
    assert rank([found])[0].outcome == "killed after 10 s"


def test_a_sigkill_at_once_long_after_a_request_ended_the_stop_of_that_request() -> None:
    found = case([event(1), replace_time(KILL, 1201), replace_time(KILLED, 1201)])
    assert len(found.stops) == 2
    assert told(found) == [("dropped-at-generate", "error", "")]
    (standing,) = rank([found])
    assert (standing.signal, standing.outcome) == ("TERM", "killed after 20 min")


def test_a_namespace_is_listed_by_its_worst_finding_though_another_comes_first() -> None:
    healthy = [event(3, disposition="handler", result=0), event(3.1, stage="exit", signal=0)]
    warned = case([FROM_INSIDE, *healthy])
    assert [(each.cause, each.severity) for each in diagnose(warned).findings] == [
        ("kill-from-inside", "warning")
    ]
    bad = case(stop(3))
    assert [each.report.case for each in rank([warned, bad])] == [bad, warned]


STOPPED = case([FROM_INSIDE, event(2), event(3), replace_time(FROM_INSIDE, 4), KILL, KILLED])
"""Row 0 is before the stop, rows 1, 2 and 4 are its requests, row 3 is in between, row 5 the exit."""

findings = st.builds(
    Finding,
    st.sampled_from("abc"),
    st.just(NSID),
    st.sampled_from(SEVERITIES),
    st.sampled_from(CONFIDENCES),
    st.sampled_from(["One.", "Another."]),
    st.just(()),
    st.just(""),
    st.frozensets(st.integers(0, 5), max_size=3),
)


@given(st.lists(findings, max_size=7), st.randoms())
def test_the_order_depends_on_nothing_but_the_findings_and_what_is_apart_is_last(
    found: list[Finding], random: object
) -> None:
    result = ordered(STOPPED, found)
    assert len(result) == len(found)
    # Each finding is there, unchanged but for what says that it is not about this stop.
    apart = {each for each in found if each.about == {0}}
    assert set(found) - apart == set(result) - {each for each in result if each.about == {0}}
    last = [each.about == {0} for each in result]
    assert last == sorted(last)
    assert all(each.summary.startswith("Before this stop: ") == (each.about == {0}) for each in result)
    assert "error" not in {each.severity for each in result if each.about == {0}}
    # Within the stop, what explains a request comes before anything else that is no notice.
    grave = [
        each.about & {1, 2, 4} != set() for each in result if each.severity != "notice" and each.about != {0}
    ]
    assert grave == sorted(grave, reverse=True)
    shuffled = list(found)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert [_key(each) for each in ordered(STOPPED, shuffled)] == [_key(each) for each in result]


def _key(finding: Finding) -> tuple[str, str, str, int]:
    return finding.cause, finding.severity, finding.confidence, len(finding.about & {1, 2, 4})


@pytest.mark.parametrize("severity", SEVERITIES)
@pytest.mark.parametrize("confidence", CONFIDENCES)
def test_ordering_what_is_ordered_changes_nothing(severity: Severity, confidence: Confidence) -> None:
    one = Finding("b", NSID, severity, confidence, "One.", (), "", frozenset({1}))
    other = replace(one, cause="a", about=frozenset({3}))
    assert ordered(STOPPED, ordered(STOPPED, [other, one])) == (one, other)
