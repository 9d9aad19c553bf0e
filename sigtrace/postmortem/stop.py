"""How a container was stopped: who asked, by which signal, how long it was given, and how it ended.

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

from dataclasses import dataclass
from typing import Any

from sigtrace import signals
from sigtrace.containers.container import Container
from sigtrace.containers.stop_signal import stop_request
from sigtrace.postmortem.asker import INSIDE, KERNEL, Asker, asker
from sigtrace.postmortem.case import PATIENCE, SECOND, Case, Episode
from sigtrace.postmortem.event import HUP, KILL, MEANT_TO_STOP, TERM, Event, is_asking

_DEFAULTS = {
    "docker": (10, "`docker stop`"),
    "podman": (10, "`podman stop`"),
    "CRI": (30, "a pod's terminationGracePeriodSeconds"),
    "lxc": (60, "`lxc-stop`"),
}
"""Runtime, or who asks -> the grace period it gives by default, and where that is set."""
_LATE = SECOND * 3 // 4
"""How much later than its timer a runtime's SIGKILL may arrive."""
_AT_ONCE = {
    "dockerd": "docker kill or docker rm -f",
    "podman": "podman kill, or podman rm -f -t 0",
    "CRI": "a grace period of 0, or the end of its pod's sandbox",
    "containerd": "ctr tasks kill -s KILL, or ctr tasks rm -f",
    "runc": "runc kill ID KILL, or runc delete -f",
    "crun": "crun kill ID KILL, or crun delete -f",
    "lxc-stop": "lxc-stop -k",
    "systemd-nspawn": "machinectl terminate, or the end of systemd-nspawn itself",
}
"""Who asks -> by what it sends SIGKILL and nothing before."""


@dataclass(frozen=True)
class Stop:
    """One attempt to stop a namespace's init. Times are ns UTC, durations ns."""

    asker: Asker
    first: Event
    """The signal that began it."""
    kill: Event | None
    """The SIGKILL that the init obeyed."""
    killer: Asker | None
    """Who sent that."""
    exit: Event | None
    own: str = ""
    """The stop signal that the container is configured with, where that is known not to be SIGTERM."""

    @property
    def by(self) -> str:
        """Who asked: see above."""
        return self.asker.by

    @property
    def runtime(self) -> str:
        """The runtime that asked; empty if it was anybody else."""
        return self.asker.runtime

    @property
    def grace(self) -> int | None:
        """From the first signal to SIGKILL; None if there was no SIGKILL, or nothing before it."""
        return self.kill.time - self.first.time if self.kill and self.kill is not self.first else None

    @property
    def took(self) -> int | None:
        """From the first signal to the exit; None if there was none."""
        return self.exit.time - self.first.time if self.exit else None

    @property
    def configured(self) -> bool | None:
        """Whether a runtime asked by the container's own stop signal; None where that is not known, and for SIGKILL."""
        if not (self.own and self.runtime) or (
            self.first.signal == KILL and self.own != self.first.signal_name
        ):
            return None
        return self.first.signal_name == self.own

    @property
    def looks_like(self) -> str:
        """What the observed times are known from, in words; empty if from nothing. A guess, and to be told as one."""
        if self.first.signal == KILL:
            return _AT_ONCE.get(self.by, "")
        seconds, where = _DEFAULTS.get(self.by) or _DEFAULTS.get(self.runtime) or (0, "")
        due = seconds * SECOND
        same = self.killer is not None and self.asker.same(self.killer)
        if due and same and self.grace is not None and due <= self.grace <= due + _LATE:
            return f"the default of {where}, {seconds} s"
        return ""

    def as_dict(self) -> dict[str, Any]:
        """For JSON Lines: stable keys; seconds are null where there was no SIGKILL, or no end."""
        return {
            "by": self.by,
            "runtime": self.runtime,
            "via": list(self.asker.via),
            "signal": self.first.signal_name,
            "grace_seconds": _seconds(self.grace),
            "seconds": _seconds(self.took),
            "killed": self.kill is not None,
            "ended": self.exit.outcome if self.exit else "",
        }


def stops(case: Case) -> list[Stop]:
    """The attempts to stop the namespace's init, in order, each with who made it.

    What the kernel does by itself (want of memory, the end of a terminal or of a parent) is none; nor is a signal
    that means something else to the program and did not end it.
    """
    return [stop for episode in case.episodes if (stop := stop_of(episode, case.container))]


def last_stop(case: Case) -> Stop | None:
    """The last of them."""
    return next(iter(reversed(stops(case))), None)


def stop_of(episode: Episode, container: Container | None) -> Stop | None:
    """The attempt that an episode is; None if it is none."""
    own = stop_request(container).signal
    killer = asker(episode.kill, container) if episode.kill else None
    sent = [(e, who) for e in episode.events if is_asking(e) and (who := asker(e, container)).by != KERNEL]
    if killer is not None and killer.by != KERNEL:
        before = [(e, who) for e, who in sent if episode.kill and e.time < episode.kill.time]
        outside = [(e, who) for e, who in before if who.by != INSIDE]
        its = [(e, who) for e, who in before if who.same(killer)]
        sent = its or outside or [(e, who) for e, who in sent if e is episode.kill]
    if not sent:
        return None
    first, who = _began(sent, own)
    if not _is_stop(first, episode, own):
        return None
    name = signals.name(own) if own != TERM else ""
    return Stop(who, first, episode.kill, killer, episode.exit, name)


def _began(sent: list[tuple[Event, Asker]], own: int) -> tuple[Event, Asker]:
    """The first signal of the last attempt; a runtime's count before a person's, and these before those from inside."""
    runtimes = [each for each in sent if each[1].runtime]
    outside = [each for each in sent if each[1].by != INSIDE]
    _, last = (runtimes or outside or sent)[-1]
    its = [each for each in sent if each[1].same(last)]
    signal = own if any(e.signal == own for e, _ in its) else its[-1][0].signal
    return next(each for each in its if each[0].signal == signal)


def _is_stop(first: Event, episode: Episode, own: int) -> bool:
    """Whether it was meant to end the init: a SIGHUP or SIGUSR1 may be, if SIGKILL or the end came soon after."""
    if first.signal in (KILL, own) or (first.signal in MEANT_TO_STOP and first.signal != HUP):
        return True
    soon = episode.exit is not None and episode.exit.time - first.time <= PATIENCE
    return soon or episode.kill is not None


def _seconds(ns: int | None) -> float | None:
    return None if ns is None else round(ns / SECOND, 6)
