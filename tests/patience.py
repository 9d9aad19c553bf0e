"""How long tests wait before they count something as hung: on a slow machine, SIGTRACE_PATIENCE times longer."""

from __future__ import annotations

from sigtrace.lab.channel import PATIENCE


def patient(seconds: float) -> float:
    """Return the seconds to wait on this machine for what takes an idle one at most `seconds`."""
    return seconds * PATIENCE
