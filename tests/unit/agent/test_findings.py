"""What is worth telling somebody of stops that are pending and of a scan, and when."""

from __future__ import annotations

import numpy as np
import pytest

from sigtrace.agent.findings import Finding, findings
from sigtrace.agent.forecast import Outlook
from sigtrace.events.batch import Batch
from sigtrace.events.container import Container
from sigtrace.events.nskey import NsKey
from sigtrace.stops.attempt import Attempt, attempts
from tests.builders.records import record
from tests.builders.stories import SECOND, stop

WEB = Container("ab" * 32, "web-1", "docker", "shop/web:3")
ASKED = 101
"""Seconds: when `stop()` asks."""


def pending(container: Container | None = WEB, **changes: object) -> list[Attempt]:
    asked = stop()[0]
    for name, value in changes.items():
        asked[name] = value
    return attempts(Batch(asked, 0, known=lambda key: container))


def told(now: float, asked: list[Attempt]) -> list[Finding]:
    return list(findings(asked, (), {}, now))


def test_a_dropped_stop_signal_is_told_of_after_two_seconds() -> None:
    assert told(ASKED + 1.9, pending()) == []
    (finding,) = told(ASKED + 2, pending())
    assert finding.as_dict() | {"cause": ""} == {
        "finding": "stop-signal-dropped",
        "nsid": stop()[0]["nsid"][0],
        "since": ASKED,
        "signal": "SIGTERM",
        "asked_by": "runc",
        "summary": "web-1 does not stop: the kernel dropped SIGTERM",
        "cause": "",
        "advice": "`sigtrace explain web-1` says how to fix it",
        "container_id": "ab" * 32,
        "container_name": "web-1",
        "runtime": "docker",
        "image": "shop/web:3",
        "pod": "",
        "pod_namespace": "",
    }


def test_a_stop_whose_signal_the_program_got_is_told_of_after_a_minute() -> None:
    taken = pending(result=0, disposition=int(record(disposition="handler")["disposition"][0]))
    assert told(ASKED + 59, taken) == []
    (finding,) = told(ASKED + 60, taken)
    assert finding.kind == "stop-hangs"
    assert finding.summary == "web-1 was asked to stop by SIGTERM 1 min ago, and is still there"


def test_a_namespace_that_cannot_end_is_told_of_after_two_minutes() -> None:
    key = NsKey.of(7, 5 * SECOND)
    outlook = Outlook(key, "", True, "SIGTERM", None)
    assert list(findings((), (outlook,), {key: 100.0}, 219)) == []
    (finding,) = findings((), (outlook,), {key: 100.0}, 220)
    assert (finding.kind, finding.summary) == (
        "namespace-stuck",
        "PID namespace 7 has lost its PID 1, and cannot end",
    )


@pytest.mark.parametrize("name", ["a;rm -rf /", "$(reboot)", "`x`", "a\nb", "\x1b[31m", "--help"])
def test_a_name_that_a_shell_would_not_take_literally_is_in_no_command(name: str) -> None:
    (finding,) = told(ASKED + 5, pending(Container("cd" * 32, name, "docker")))
    assert name not in finding.advice
    assert finding.summary.isprintable()


def test_it_is_the_same_finding_as_long_as_it_lasts() -> None:
    first, later = told(ASKED + 3, pending()), told(ASKED + 30, pending())
    assert [each.identity for each in first] == [each.identity for each in later]
    assert np.unique([each.since for each in first]).tolist() == [ASKED]
