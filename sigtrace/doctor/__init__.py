"""Can this host trace, and if not, what to install or grant: a list of small checks, each on its own.

`host.py` holds the facts, read when first asked for; each check is a function of a `Host` that returns one
`Check`. They are grouped by who can mend what they find: `privileges.py` (whoever starts sigtrace),
`kernel.py` (whoever chose the kernel), `software.py` (whoever installs packages); `tracing.py` tries it all.
"""

from __future__ import annotations

from sigtrace.doctor.check import Check, Checker, run_all, tracing_works
from sigtrace.doctor.host import Host
from sigtrace.doctor.kernel import KERNEL
from sigtrace.doctor.privileges import PRIVILEGES
from sigtrace.doctor.software import SOFTWARE
from sigtrace.doctor.tracing import TRACING

CHECKS: tuple[Checker, ...] = (*PRIVILEGES, *KERNEL, *SOFTWARE, *TRACING)
"""Every check, in the order they are shown; the last one traces for real and decides."""

__all__ = ["CHECKS", "Check", "Checker", "Host", "run_all", "tracing_works"]
