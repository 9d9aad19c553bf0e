"""Check whether this host can trace, and if not, what to install or grant: a list of independent small checks.

`host.py` holds the facts, each read on first use; a check is a function of a `Host` that returns one `Check`. They
are grouped by who can fix the problem: `privileges.py` (whoever starts sigtrace), `kernel.py` (whoever chooses the
kernel), `software.py` (whoever installs packages). `tracing.py` traces for real.
"""

from __future__ import annotations

from sigtrace.doctor.check import Check, Checker, run_all, tracing_works
from sigtrace.doctor.host import Host
from sigtrace.doctor.kernel import KERNEL
from sigtrace.doctor.privileges import PRIVILEGES
from sigtrace.doctor.software import SOFTWARE
from sigtrace.doctor.tracing import TRACING

CHECKS: tuple[Checker, ...] = (*PRIVILEGES, *KERNEL, *SOFTWARE, *TRACING)
"""All checks, in the order in which they are shown; the last one traces for real and decides."""

__all__ = ["CHECKS", "Check", "Checker", "Host", "run_all", "tracing_works"]
