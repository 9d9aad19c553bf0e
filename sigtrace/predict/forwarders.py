"""Programs that run as PID 1 and pass signals on: what each makes of a signal, to whom it sends it, and when it ends.

The facts are those of the programs' source and manuals, tried on the programs themselves:

- tini 0.19 (src/tini.c), also docker-init; catatonit 0.2 (catatonit.c), also podman's init; dumb-init 1.2
  (dumb-init.c).
- s6-svscan and s6-supervise (s6 2.11, doc/s6-svscan.html, doc/s6-supervise.html).
- runit(8), runsvdir(8), runsv(8) 2.1.
- busybox 1.35 (init/init.c); systemd(1), SIGNALS; systemd-nspawn's stub (src/nspawn/nspawn-stub-pid1.c).
- supervisord 4.2 (docs/running.rst, docs/configuration.rst); my_init of phusion/baseimage (image/bin/my_init).

No I/O. Which signals a program takes at all, its masks say; this says what it does with one that it has taken. Options
in the environment (TINI_KILL_PROCESS_GROUP, TINI_SUBREAPER) are not seen.
"""

from __future__ import annotations

import getopt
import os.path
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, Protocol

from sigtrace import signals
from sigtrace.signals import (
    CHLD,
    CONT,
    HUP,
    INT,
    PWR,
    QUIT,
    SIGRTMIN,
    STOP,
    TERM,
    TSTP,
    TTIN,
    TTOU,
    USR1,
    USR2,
)

Reach = Literal["nobody", "child", "group", "children", "everyone"]
"""To whom it sends a signal: the child that it has started (kill(child)), the process group of that child
(kill(-child)), all its children, or every process of its namespace (kill(-1))."""

Ends = Literal["never", "at once", "with child", "with children", "after grace"]
"""When it ends: not on this signal; without waiting for anybody; when that child has ended; when all its children have;
the same, but by SIGKILL to them after a while of its own."""


@dataclass(frozen=True)
class Act:
    """What a program does with one signal that it takes."""

    to: Reach = "nobody"
    signal: int = 0
    """The signal that it sends; 0 = none."""
    ends: Ends = "never"
    does: str = ""
    """What it does besides or instead, as a verb phrase: `re-executes itself`; empty if nothing."""
    grace: str = ""
    """How long it waits before it sends SIGKILL: `1 s`, with the setting where there is one; empty if it sends none."""
    unless: str = ""
    """A setting that /proc does not show, and that would change this; empty without one."""


@dataclass(frozen=True)
class Forwarder:
    """A program that passes signals on, with the options that it was started with."""

    name: str
    acts: Mapping[int, Act]
    """The signals that it treats in a special way."""
    other: Act
    """What it does with all others that it takes."""
    waits: bool = False
    """It blocks signals, and takes them by sigtimedwait(2) between other work, such as a sleep of a second."""

    def act(self, signal: int) -> Act:
        """Return what it does with a signal that it takes."""
        found = self.acts.get(signal, self.other)
        passes_as_is = found.to != "nobody" and not found.signal
        return replace(found, signal=signal) if passes_as_is else found


class Member(Protocol):
    """What `receivers` needs of a process: `sigtrace.procfs.family.Relative` has it, and so may other records."""

    @property
    def pid(self) -> int: ...
    @property
    def ppid(self) -> int: ...
    @property
    def pgrp(self) -> int: ...
    @property
    def start_ticks(self) -> int: ...
    @property
    def state(self) -> str: ...


def known(comm: str, cmdline: Sequence[str], exe: str = "") -> Forwarder | None:
    """Return the forwarding program that a process runs; None if it is not one of the known.

    cmdline: its words, empty if not known. exe: the target of /proc/PID/exe, empty if not known: it is needed only for
    a program that is called `init`.
    """
    for name in _names(comm, cmdline, exe):
        make = _PROGRAMS.get(name)
        if make:
            return make(list(cmdline[1:]))
    return None


def receivers(act: Act, pid: int, others: Iterable[Member]) -> list[int]:
    """Return the PIDs to which the program with this `pid` sends the signal, first that of the child it has started.

    others: the living processes of its namespace. PIDs, PPIDs and process groups are all seen from one namespace.
    """
    alive = sorted(
        (each for each in others if each.state not in "ZX"), key=lambda each: (each.start_ticks, each.pid)
    )
    if act.to == "nobody":
        return []
    if act.to == "everyone":
        return [each.pid for each in alive if each.pid != pid]
    # The orphans that an init inherits are descendants of that child, or of processes that joined: younger.
    children = [each.pid for each in alive if each.ppid == pid]
    if act.to == "group" and children:
        first = children[0]
        return [first, *(each.pid for each in alive if each.pgrp == first and each.pid != first)]
    return children if act.to == "children" else children[:1]


def _names(comm: str, cmdline: Sequence[str], exe: str) -> list[str]:
    """Return the names by which the program may be known, the most reliable first.

    `init` says little, as busybox, sysvinit, openrc-init and scripts share it: the executable says which one it is.
    """
    words = [os.path.basename(word) for word in cmdline[:2]]
    script = words[1:] if words and words[0].startswith(("python", "busybox")) else []
    called = [comm, *words[:1], *script]
    program = os.path.basename(exe.removesuffix(" (deleted)"))
    if program == "busybox" or words[:1] == ["busybox"]:
        return ["busybox init"] if "init" in called else []
    return [*called, program] if "init" in called else called


_WITH_CHILD = Act("child", ends="with child")
_NOTHING = Act()


def _tini(options: list[str]) -> Forwarder:
    group = "-g" in _options(options, "+hvwgle:p:s")
    passes = Act("group" if group else "child", ends="with child")
    return Forwarder("tini", {CHLD: _NOTHING}, passes, waits=True)


def _catatonit(options: list[str]) -> Forwarder:
    given = _options(options, "ghLPV", ["version"])
    if "-P" in given:  # the infrastructure container of a pod: no program is run
        ends = Act(ends="at once")
        return Forwarder("catatonit", {TERM: ends, INT: ends}, _NOTHING)
    passes = Act("group" if "-g" in given else "child", ends="with child")
    return Forwarder("catatonit", dict.fromkeys((CHLD, TSTP, TTIN, TTOU), _NOTHING), passes)


def _dumb_init(options: list[str]) -> Forwarder:
    """With setsid(), which is the default, the child leads a session, and its process group gets the signal.

    DUMB_INIT_SETSID=0 in the environment turns that off; the child is then in dumb-init's own group, and nobody else is
    in a group with the child's number.
    """
    given = _options(options, "+hvVcr:", ["help", "single-child", "rewrite=", "verbose", "version"])
    single = "-c" in given or "--single-child" in given
    passes = Act("child" if single else "group", ends="with child")
    acts = {CHLD: _NOTHING}
    if not single:
        acts |= {number: replace(passes, signal=STOP, does="stops itself") for number in (TSTP, TTIN, TTOU)}
    for text in [*given.get("-r", "").split(), *given.get("--rewrite", "").split()]:
        received, _, sent = text.partition(":")
        if received.isdecimal() and sent.isdecimal():
            acts[int(received)] = replace(passes, signal=int(sent)) if int(sent) else _NOTHING
    return Forwarder("dumb-init", acts, passes, waits=True)


def _s6_svscan(options: list[str]) -> Forwarder:
    """It tells each s6-supervise to bring its service down, by SIGTERM (SIGHUP to loggers), and waits for all."""
    stop = Act("children", TERM, "with children")
    acts = {
        number: replace(stop, unless=f"an executable .s6-svscan/{signals.name(number)} replaces that")
        for number in (TERM, INT, QUIT)
    }
    reload = Act(does="reads its directory again")
    return Forwarder("s6-svscan", acts | {HUP: reload, signals.ABRT: Act(ends="at once")}, _NOTHING)


def _s6_supervise(options: list[str]) -> Forwarder:
    """SIGTERM as `s6-svc -xd`, SIGHUP as `s6-svc -x`: both wait for the service."""
    down = "a file down-signal in the service's directory may name another signal"
    acts = {
        TERM: replace(_WITH_CHILD, signal=TERM, unless=down),
        HUP: Act(ends="with child"),
        INT: Act("group", INT, "at once"),
        QUIT: Act(ends="at once"),
    }
    return Forwarder("s6-supervise", acts, _NOTHING)


def _runsvdir(options: list[str]) -> Forwarder:
    return Forwarder("runsvdir", {TERM: Act(ends="at once"), HUP: Act("children", TERM, "at once")}, _NOTHING)


def _runsv(options: list[str]) -> Forwarder:
    return Forwarder(
        "runsv",
        {TERM: replace(_WITH_CHILD, signal=TERM, unless="an executable control/t replaces that")},
        _NOTHING,
    )


def _runit(options: list[str]) -> Forwarder:
    """It blocks TERM and HUP for ever. For a shutdown it runs /etc/runit/3, which stops services and kills the rest."""
    shuts_down = Act("everyone", TERM, "after grace", "runs /etc/runit/3", "as long as /etc/runit/3 waits")
    asked = replace(shuts_down, unless="without an executable /run/runit.stopit it does nothing")
    return Forwarder("runit", {PWR: shuts_down, CONT: asked, INT: asked}, _NOTHING)


def _busybox_init(options: list[str]) -> Forwarder:
    """halt, poweroff or reboot: SIGTERM to all, a second later SIGKILL, then reboot(2), and it ends if that fails."""
    halt = Act("everyone", TERM, "after grace", "runs its shutdown actions", "1 s")
    acts = dict.fromkeys((TERM, USR1, USR2, PWR), halt)
    acts[INT] = Act(does="runs its ctrlaltdel action, by default reboot")
    acts[QUIT] = Act(does="runs its restart action")
    acts[HUP] = Act(does="reads /etc/inittab again")
    return Forwarder("busybox init", acts, _NOTHING, waits=True)


def _systemd(options: list[str]) -> Forwarder:
    grace = "TimeoutStopSec= of each unit, by default 90 s"
    down = Act("everyone", TERM, "after grace", grace=grace)
    targets = enumerate(("halt", "poweroff", "reboot", "kexec"), SIGRTMIN + 3)
    acts = {number: replace(down, does=f"starts {name}.target") for number, name in targets}
    acts |= dict.fromkeys(range(SIGRTMIN + 13, SIGRTMIN + 17), Act(ends="at once"))
    if "--user" in options:
        acts |= dict.fromkeys((TERM, INT), replace(down, does="starts exit.target"))
    else:
        acts[TERM] = Act(does="re-executes itself")
        acts[INT] = replace(down, does="starts ctrl-alt-del.target", unless="the unit may be masked")
        acts[PWR] = Act(does="starts sigpwr.target")
    acts[HUP] = Act(does="reads its configuration again")
    return Forwarder("systemd", acts, _NOTHING)


def _stub_init(options: list[str]) -> Forwarder:
    """systemd-nspawn --as-pid2. SIGHUP follows the SIGTERM, for shells."""
    stop = Act("child", TERM, "after grace", grace="90 s")
    down = (INT, *range(SIGRTMIN + 3, SIGRTMIN + 7), *range(SIGRTMIN + 13, SIGRTMIN + 17))
    return Forwarder("systemd-nspawn's stub", dict.fromkeys(down, stop), _NOTHING, waits=True)


def _supervisord(options: list[str]) -> Forwarder:
    stop = Act(
        "children",
        TERM,
        "after grace",
        grace="stopwaitsecs=, by default 10 s",
        unless="stopsignal= of a program may name another signal",
    )
    acts = dict.fromkeys((TERM, INT, QUIT), stop)
    acts[HUP] = Act("children", TERM, does="starts its programs again")
    acts[USR2] = Act(does="opens its logs again")
    return Forwarder("supervisord", acts, _NOTHING)


def _my_init(options: list[str]) -> Forwarder:
    stop = Act(
        "everyone", TERM, "after grace", "stops its services", "KILL_ALL_PROCESSES_TIMEOUT, by default 5 s"
    )
    return Forwarder("my_init", {TERM: stop, INT: stop}, _NOTHING)


def _options(words: list[str], short: str, long: Sequence[str] = ()) -> dict[str, str]:
    """Parse options as getopt_long(3) does; an option that is given several times has all its values, by blanks.

    Words that cannot be parsed give none: the program would not have started with them.
    """
    try:
        parse = getopt.getopt if short.startswith("+") else getopt.gnu_getopt
        pairs, _ = parse(words, short.removeprefix("+"), list(long))
    except getopt.GetoptError:
        return {}
    found: dict[str, str] = {}
    for name, value in pairs:
        found[name] = f"{found[name]} {value}" if name in found else value
    return found


_PROGRAMS: Mapping[str, Callable[[list[str]], Forwarder]] = MappingProxyType(
    {
        "tini": _tini,
        "tini-static": _tini,
        "docker-init": _tini,
        "catatonit": _catatonit,
        "podman-init": _catatonit,
        "dumb-init": _dumb_init,
        "s6-svscan": _s6_svscan,
        "s6-supervise": _s6_supervise,
        "runsvdir": _runsvdir,
        "runsv": _runsv,
        "runit": _runit,
        "busybox init": _busybox_init,
        "systemd": _systemd,
        "(sd-stubinit)": _stub_init,
        "supervisord": _supervisord,
        "my_init": _my_init,
    }
)
"""By comm, by the name of the program, or by that of its script; `busybox init` by /proc/PID/exe."""
