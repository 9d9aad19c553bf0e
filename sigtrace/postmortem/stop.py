"""How a container was stopped, in words: who asked, by which signal, how long it was given, and how it ended.

What a stop is says `sigtrace.stops.attempt`: a `Stop` is one of its attempts, with the events that tell of it.

`Stop.by` and `Stop.runtime`, as `sigtrace postmortem --format json` has them, for each runtime's own stop:

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
from sigtrace.units import SECOND

_LATE = SECOND * 3 // 4
"""How much later than its timer a runtime's SIGKILL may arrive."""


@dataclass(frozen=True)
class Stop:
    """One attempt to stop a namespace's init. Times are ns UTC, durations ns of the kernel's clock."""

    attempt: Attempt
    first: Event
    """The signal that it is counted from."""
    kill: Event | None
    """The SIGKILL that the init obeyed, whoever sent it."""
    exit: Event | None
    earlier: Event | None = None
    """The first that asked in the same attempt, if that was another before."""
    own: str = ""
    """The stop signal that the container is configured with, where that is known not to be SIGTERM."""

    @property
    def asker(self) -> Asker:
        """Who asked, by that signal."""
        return self.attempt.asker

    @property
    def by(self) -> str:
        """Who asked: see above."""
        return self.asker.by

    @property
    def runtime(self) -> str:
        """The runtime that asked; empty if it was anybody else."""
        return self.asker.runtime

    @property
    def killer(self) -> Asker | None:
        """Who sent the SIGKILL that the init obeyed."""
        return self.attempt.killer

    @property
    def cut_off(self) -> Event | None:
        """The SIGKILL by which somebody put an end to it; None without one, and for the kernel's own."""
        return self.kill if self.attempt.needed_kill else None

    @property
    def grace(self) -> int | None:
        """From that signal to SIGKILL; None if nobody sent one, or nothing before it."""
        return self.attempt.grace

    @property
    def took(self) -> int | None:
        """From that signal to the exit; None if there was none."""
        return self.attempt.duration

    @property
    def configured(self) -> bool | None:
        """Whether a runtime asked by the container's own stop signal; None where that is not known, and for SIGKILL."""
        if not (self.own and self.runtime) or (
            self.first.signal == signals.KILL and self.own != self.first.signal_name
        ):
            return None
        return self.first.signal_name == self.own

    @property
    def looks_like(self) -> str:
        """What the observed times are known from, in words; empty if from nothing. A guess, and to be told as one."""
        runtime = asked_by(self.by)
        if self.first.signal == signals.KILL or runtime is None:
            return runtime.at_once if runtime else ""
        default, same = runtime.grace, self.killer is not None and self.asker.same(self.killer)
        if default and same and self.grace is not None:
            late = self.grace - default.seconds * SECOND
            return f"the default of {default.of}, {default.seconds} s" if 0 <= late <= _LATE else ""
        return ""

    def as_dict(self) -> dict[str, object]:
        """For JSON Lines: stable keys; seconds are null where there was no SIGKILL, or no end."""
        return {
            "by": self.by,
            "runtime": self.runtime,
            "via": list(self.asker.via),
            "signal": self.first.signal_name,
            "grace_seconds": _seconds(self.grace),
            "seconds": _seconds(self.took),
            "killed": self.attempt.killed,
            "ended": self.exit.outcome if self.exit else "",
        }


def stop_of(attempt: Attempt, by_row: Mapping[int, Event]) -> Stop:
    """An attempt with its events; `by_row`: those at its rows."""
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
