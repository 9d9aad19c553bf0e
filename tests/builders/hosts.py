"""Hosts that do not exist, for the checks of `sigtrace doctor`."""

from __future__ import annotations

from sigtrace.doctor import Host
from sigtrace.doctor.host import INITIAL_PID_NS, INITIAL_USER_NS
from sigtrace.live.privileges import NUMBERS


def holding(*capabilities: str) -> int:
    """An effective set of exactly these capabilities."""
    return sum(1 << NUMBERS[name] for name in capabilities)


def a_host(**facts: object) -> Host:
    """The host of a plain user on the bare machine, but for the facts given."""
    plain = {
        "uid": 1000,
        "effective": 0,
        "last_capability": 40,
        "seccomp": 0,
        "pid_namespace": INITIAL_PID_NS,
        "user_namespace": INITIAL_USER_NS,
        "in_container": False,
        "memlock": 8 << 20,
    }
    return Host(**{**plain, **facts})
