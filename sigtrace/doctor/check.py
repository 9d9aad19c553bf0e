"""What a check finds, and how all of them are run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from sigtrace.doctor.host import Host

Status = Literal["ok", "warning", "missing"]

SELF_TEST = "tracing"
"""The check that decides: a signal was sent and its record seen."""


@dataclass(frozen=True)
class Check:
    """What was found of one requirement. The fields are the keys of `doctor --format json`."""

    name: str
    """A stable slug."""
    status: Status
    """ok, or warning: tracing goes on without it, or missing: it does not."""
    detail: str
    """What was seen, in a few words."""
    remedy: str = ""
    """What to do about it; empty when there is nothing to do."""

    def row(self) -> dict[str, Any]:
        """The check as a JSON-ready dict."""
        return asdict(self)


Checker = Callable[[Host], Check]
"""A check: looks at one requirement of the host."""


def ok(name: str, detail: str) -> Check:
    """All is well."""
    return Check(name, "ok", detail)


def warning(name: str, detail: str, remedy: str) -> Check:
    """Tracing goes on, with less to see or no guarantee."""
    return Check(name, "warning", detail, remedy)


def missing(name: str, detail: str, remedy: str) -> Check:
    """Tracing cannot work until the remedy is applied."""
    return Check(name, "missing", detail, remedy)


def run_all(checkers: Iterable[Checker], host: Host) -> Iterator[Check]:
    """What each checker finds. One that breaks becomes a warning that says how, and the rest go on."""
    for checker in checkers:
        try:
            yield checker(host)
        except Exception as err:
            name = checker.__name__.replace("_", "-")
            reason = f"{type(err).__name__}: {err}"
            yield warning(name, f"the check itself failed: {reason}", "please report this")


def tracing_works(checks: Iterable[Check]) -> bool:
    """Whether the self-test, and so the host, passed."""
    return any(check.name == SELF_TEST and check.status == "ok" for check in checks)
