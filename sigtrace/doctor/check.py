"""The result of a check, and the function that runs all checks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from sigtrace.doctor.host import Host
from sigtrace.errors import CannotTrace

Status = Literal["ok", "warning", "missing"]

SELF_TEST = "tracing"
"""The check that decides: a signal is sent and its record has to arrive."""


@dataclass(frozen=True)
class Check:
    """The result of checking one requirement. The fields are the keys of `doctor --format json`."""

    name: str
    """A stable slug."""
    status: Status
    """ok; warning: tracing works without it; missing: tracing needs it."""
    detail: str
    """What was found, in a few words."""
    remedy: str = ""
    """What to do about it; empty if nothing has to be done."""

    def row(self) -> dict[str, Any]:
        """Return the fields as a dict for JSON."""
        return asdict(self)


Checker = Callable[[Host], Check]
"""A function that checks one requirement of the host."""


def ok(name: str, detail: str) -> Check:
    """The requirement is met."""
    return Check(name, "ok", detail)


def warning(name: str, detail: str, remedy: str) -> Check:
    """Tracing works, but shows less, or may fail in some cases."""
    return Check(name, "warning", detail, remedy)


def missing(name: str, detail: str, remedy: str) -> Check:
    """Tracing cannot work until the remedy is applied."""
    return Check(name, "missing", detail, remedy)


def run_all(checkers: Iterable[Checker], host: Host) -> Iterator[Check]:
    """Run the checkers. An exception in one becomes a result with its text, and the others still run."""
    for checker in checkers:
        try:
            yield checker(host)
        except CannotTrace as err:  # it rests on what another check reports, as BTF
            yield missing(_name(checker), str(err).rstrip("."), "fix what is missing above")
        except Exception as err:
            name = _name(checker)
            reason = f"{type(err).__name__}: {err}"
            yield warning(name, f"the check itself failed: {reason}", "please report this")


def _name(checker: Checker) -> str:
    return checker.__name__.replace("_", "-")


def tracing_works(checks: Iterable[Check]) -> bool:
    """Return whether the self-test passed, and so the host can trace."""
    return any(check.name == SELF_TEST and check.status == "ok" for check in checks)
