"""Programs that run as PID 1 and pass signals on: what each makes of a signal, to whom it sends it, and when it ends.

The facts are those of the programs' source and manuals, tried on the programs themselves:

- tini 0.19 (src/tini.c), also docker-init; catatonit 0.2 (catatonit.c), also podman's init; dumb-init 1.2
  (dumb-init.c).
- s6-svscan and s6-supervise (s6 2.11, doc/s6-svscan.html, doc/s6-supervise.html).
- runit(8), runsvdir(8), runsv(8) 2.1.
- busybox 1.35 (init/init.c); systemd(1), SIGNALS; systemd-nspawn's stub (src/nspawn/nspawn-stub-pid1.c).
- su and runuser of util-linux 2.38 (login-utils/su-common.c); timeout of coreutils 9.1 (src/timeout.c).
- supervisord 4.2 (docs/running.rst, docs/configuration.rst); my_init of phusion/baseimage (image/bin/my_init).

No I/O. Which signals a program takes at all, its masks say; this says what it does with one that it has taken. Options
in the environment (TINI_KILL_PROCESS_GROUP, TINI_SUBREAPER) are not seen.
"""

from __future__ import annotations

import getopt
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from sigtrace import signals
from sigtrace.predict.forwarder import Act, Forwarder
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


_REWRITE = re.compile(r"0*([1-9]|[12]\d|3[01]):0*(\d|[12]\d|3[01])", re.ASCII)
"""With a number above MAXSIG, which is 31 there, dumb-init does not start."""


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
        if pair := _REWRITE.fullmatch(text):
            received, sent = int(pair[1]), int(pair[2])
            acts[received] = replace(passes, signal=sent) if sent else _NOTHING
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


def _su(options: list[str]) -> Forwarder:
    """It waits for the end of the session, as PAM demands."""
    stop = Act("child", TERM, "after grace", grace="2 s", seconds=2)
    return Forwarder("su", dict.fromkeys((TERM, INT, QUIT), stop), _NOTHING)


def _runuser(options: list[str]) -> Forwarder:
    return Forwarder("runuser", {TERM: _su(options).acts[TERM]}, _NOTHING)


def _timeout(options: list[str]) -> Forwarder:
    """The child gets the signal that `timeout` gets, and so does the rest of their process group."""
    long = ["foreground", "kill-after=", "preserve-status", "signal=", "verbose"]
    given = _options(options, "+fk:ps:v", long)
    after = given.get("-k", given.get("--kill-after", ""))
    passes = Act("child", ends="after grace", grace=f"the {after} of -k") if after else _WITH_CHILD
    return Forwarder("timeout", {CHLD: _NOTHING, signals.ALRM: replace(passes, signal=TERM)}, passes)


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


PROGRAMS: Mapping[str, Callable[[list[str]], Forwarder]] = MappingProxyType(
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
        "su": _su,
        "runuser": _runuser,
        "timeout": _timeout,
        "my_init": _my_init,
    }
)
"""By comm, by the name of the program, or by that of its script; `busybox init` by /proc/PID/exe."""
