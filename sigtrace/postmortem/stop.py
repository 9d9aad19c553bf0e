"""How a container was stopped: the sender and signal of the request, the grace period, and the end.

A `Stop` is an attempt, as `sigtrace.stops.attempt` defines it, together with its events.

`Stop.by` and `Stop.runtime`, which `sigtrace postmortem --format json` prints, for each runtime's own stop:

    docker stop, rm -f, kill         by "dockerd"          runtime "docker"
    kubelet, crictl (containerd)     by "CRI"              runtime "containerd"
    kubelet, crictl (CRI-O)          by "CRI"              runtime "cri-o"
    ctr tasks kill, nerdctl stop     by "containerd"       runtime "containerd"
    podman stop, rm -f, kill         by "podman"           runtime "podman"
    runc kill, delete -f             by "runc"             runtime "runc"
    crun kill, delete -f             by "crun"             runtime "crun"
    lxc-stop, lxc-stop -k            by "lxc-stop"         runtime "lxc"
    systemd-nspawn, machinectl       by "systemd-nspawn"   runtime "nspawn"
    docker exec ... kill 1           by "inside"           runtime ""
    kill PID in a shell              by "bash"             runtime ""
    a shim of an unknown container   by "containerd-shim"  runtime ""
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sigtrace import signals
from sigtrace.containers.runtimes.registry import asked_by
from sigtrace.containers.stop_signal import stop_request
from sigtrace.events.container import Container
from sigtrace.postmortem.event import Event
from sigtrace.stops.attempt import Attempt
from sigtrace.stops.sender import Asker
from sigtrace.units import SECOND, duration

_LATE = SECOND * 3 // 4
"""A runtime's SIGKILL may arrive this much (ns) after its timer: it starts a process to send it."""


@dataclass(frozen=True)
class Stop:
    """One attempt to stop a namespace's init. Times are ns UTC, durations ns of the kernel's clock."""

    attempt: Attempt
    first: Event
    """The request from which the attempt is counted."""
    kill: Event | None
    """The SIGKILL that ended the init, whoever sent it."""
    exit: Event | None
    earlier: Event | None = None
    """The first request of the attempt, if that was before `first`."""
    own: str = ""
    """The configured stop signal of the container, if it is known and not SIGTERM."""

    @property
    def asker(self) -> Asker:
        """The sender of the request."""
        return self.attempt.asker

    @property
    def by(self) -> str:
        """The sender's name: see above."""
        return self.asker.by

    @property
    def runtime(self) -> str:
        """The runtime that the sender belongs to; empty for any other sender."""
        return self.asker.runtime

    @property
    def killer(self) -> Asker | None:
        """The sender of the SIGKILL that ended the init."""
        return self.attempt.killer

    @property
    def cut_off(self) -> Event | None:
        """The SIGKILL that ended the init; None without one, and for the kernel's own."""
        return self.kill if self.attempt.needed_kill else None

    @property
    def grace(self) -> int | None:
        """From the request to SIGKILL, in ns; None without a SIGKILL, or without a request before it."""
        return self.attempt.grace

    @property
    def took(self) -> int | None:
        """From the request to the exit, in ns; None without an exit."""
        return self.attempt.duration

    @property
    def ended(self) -> str:
        """How it ended: `killed by SIGKILL`, `shut down by reboot(2)`; empty without an exit."""
        if self.exit is None:
            return ""
        return "shut down by reboot(2)" if self.attempt.rebooted else self.exit.outcome

    @property
    def configured(self) -> bool | None:
        """Whether a runtime sent the container's configured stop signal; None if that is not known, or for SIGKILL."""
        if not (self.own and self.runtime) or (
            self.first.signal == signals.KILL and self.own != self.first.signal_name
        ):
            return None
        return self.first.signal_name == self.own

    @property
    def looks_like(self) -> str:
        """The command or default whose timing matches the observed one, in words; empty if none does. It is a guess."""
        runtime = asked_by(self.by)
        if self.first.signal == signals.KILL or runtime is None:
            return runtime.at_once if runtime else ""
        default, same = runtime.grace, self.killer is not None and self.asker.same(self.killer)
        if default and same and self.grace is not None:
            late = self.grace - default.seconds * SECOND
            return (
                f"the default of {default.of}, {duration(default.seconds * SECOND)}"
                if 0 <= late <= _LATE
                else ""
            )
        return ""

    def as_dict(self) -> dict[str, object]:
        """Return it for JSON Lines, with stable keys; seconds are null without a SIGKILL or an exit."""
        return {
            "by": self.by,
            "runtime": self.runtime,
            "via": list(self.asker.via),
            "signal": self.first.signal_name,
            "grace_seconds": _seconds(self.grace),
            "seconds": _seconds(self.took),
            "killed": self.attempt.killed,
            "ended": self.ended,
        }


def stop_of(attempt: Attempt, by_row: Mapping[int, Event]) -> Stop:
    """Return an attempt with its events; `by_row`: events by their row in the batch."""
    first, earliest = by_row[attempt.first], by_row[int(attempt.rows[0])]
    return Stop(
        attempt,
        first,
        None if attempt.kill is None else by_row[attempt.kill],
        None if attempt.exit is None else by_row[attempt.exit],
        None if earliest is first else earliest,
        _own(attempt.container),
    )


def _own(container: Container | None) -> str:
    own = stop_request(container).signal
    return signals.name(own) if own != signals.TERM else ""


def _seconds(ns: int | None) -> float | None:
    return None if ns is None else round(ns / SECOND, 6)
