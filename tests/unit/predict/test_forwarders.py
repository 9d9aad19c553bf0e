"""What is known of programs that pass signals on, by their command lines. `tests/kernel` tries the programs."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from sigtrace.predict.forwarder import Act
from sigtrace.predict.forwarders import known, receivers
from sigtrace.predict.forwarding_programs import PROGRAMS
from sigtrace.signals import CHLD, HUP, INT, PWR, QUIT, STOP, TERM, TSTP, USR1
from tests.builders.steps import counting

RTMIN3 = 37
NOTHING = Act()


def act(signal: int, *cmdline: str, comm: str = "", exe: str = "") -> Act:
    found = known(comm or cmdline[0].rpartition("/")[2][:15], cmdline, exe)
    assert found is not None
    return found.act(signal)


@pytest.mark.parametrize(
    ("cmdline", "to"),
    [
        ("tini -- app", "child"),
        ("/usr/bin/tini -s app -g", "child"),
        ("tini -g -- app", "group"),
        ("tini -vg app", "group"),
        ("tini -p SIGKILL app -g", "child"),
        ("/sbin/docker-init -- app", "child"),
        ("/run/podman-init -- app -g", "child"),
        ("catatonit -g -- app", "group"),
        ("dumb-init app", "group"),
        ("dumb-init -- app -c", "group"),
        ("dumb-init -c app", "child"),
        ("dumb-init --single-child app", "child"),
        ("dumb-init --single app", "child"),
        ("dumb-init -r 15:2 -vc app", "child"),
    ],
)
def test_small_inits_pass_a_signal_to_their_child_or_its_group(cmdline: str, to: str) -> None:
    assert act(TERM, *cmdline.split()).to == to
    assert act(TERM, *cmdline.split()).ends == "with child"
    assert act(USR1, *cmdline.split()).signal == USR1
    assert act(CHLD, *cmdline.split()) == NOTHING


def test_dumb_init_rewrites_signals() -> None:
    words = "dumb-init -r 15:3 --rewrite 1:0 --rewrite=2:10 app".split()
    assert [act(number, *words).signal for number in (TERM, HUP, INT, QUIT)] == [QUIT, 0, USR1, QUIT]
    assert act(HUP, *words) == NOTHING


@pytest.mark.parametrize(
    "rule", ["9" * 5000 + ":2", "15:" + "9" * 5000, "15:99", "0:2", "99:2", "²:2", "٣:2", "15:2:3"]
)
def test_a_rule_that_dumb_init_would_not_take_is_none(rule: str) -> None:
    assert act(TERM, "dumb-init", "-r", rule, "app").signal == TERM
    assert act(TERM, "dumb-init", "-r", f"{rule} 15:3", "-r", "015:02", "app").signal == INT


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_a_command_line_of_a_million_options_costs_no_more_than_a_short_one(name: str) -> None:
    with counting() as steps:
        known(name, (name, *("-r", "1:1", "-s", "-k") * 100_000))
    assert steps.count < 50_000


def test_dumb_init_stops_the_session_and_itself_on_a_terminal_stop() -> None:
    assert (act(TSTP, "dumb-init", "app").signal, act(TSTP, "dumb-init", "app").to) == (STOP, "group")
    assert act(TSTP, "dumb-init", "-c", "app").signal == TSTP


def test_a_pause_container_of_catatonit_ends_by_itself() -> None:
    assert act(TERM, "/catatonit", "-P") == Act(ends="at once")
    assert act(HUP, "/catatonit", "-P") == NOTHING


def test_supervisors_stop_all_their_services() -> None:
    svscan = act(TERM, "s6-svscan", "-d4", "--", "/run/service")
    assert (svscan.to, svscan.signal, svscan.ends) == ("children", TERM, "with children")
    assert ".s6-svscan/SIGTERM" in svscan.unless
    assert act(USR1, "s6-svscan", "/run/service") == NOTHING
    assert act(TERM, "s6-supervise", "web").signal == TERM
    stopped = act(INT, "/usr/bin/python3", "/usr/bin/supervisord", "-n")
    assert (stopped.to, stopped.signal, stopped.ends) == ("children", TERM, "after grace")
    assert act(HUP, "supervisord", "-n").ends == "never"
    assert act(TERM, "runsvdir", "-P", "/etc/service") == Act(ends="at once")
    assert act(HUP, "runsvdir", "/etc/service") == Act("children", TERM, "at once")
    assert act(TERM, "runsv", "web").signal == TERM
    assert act(TERM, "/usr/bin/python3", "-u", "/sbin/my_init", comm="my_init").to == "everyone"


def test_su_and_runuser_kill_after_two_seconds_and_timeout_passes_on_what_it_gets() -> None:
    for words in (("su", "nobody", "-c", "app"), ("runuser", "-u", "nobody", "--", "app")):
        assert act(TERM, *words) == Act("child", TERM, "after grace", grace="2 s", seconds=2)
    assert (act(INT, "su", "nobody").signal, act(INT, "runuser", "-u", "nobody", "app")) == (TERM, NOTHING)
    assert act(INT, "timeout", "9", "app", "-k") == Act("child", INT, "with child")
    assert act(TERM, "timeout", "-k", "3", "9", "app").grace == "the 3 of -k"
    assert act(TERM, "timeout", "--kill-after=3", "9", "app").ends == "after grace"


def test_systemd_does_not_stop_on_sigterm_but_on_its_own_signals() -> None:
    assert act(TERM, "/sbin/init", comm="systemd") == Act(does="re-executes itself")
    assert act(TERM, "/sbin/init", comm="init", exe="/usr/lib/systemd/systemd").ends == "never"
    assert act(RTMIN3, "/usr/lib/systemd/systemd").ends == "after grace"
    assert act(INT, "/usr/lib/systemd/systemd").does == "starts ctrl-alt-del.target"
    assert act(TERM, "/usr/lib/systemd/systemd", "--user").does == "starts exit.target"
    assert act(TERM, "(sd-stubinit)", comm="(sd-stubinit)") == NOTHING
    assert act(RTMIN3, "(sd-stubinit)", comm="(sd-stubinit)").signal == TERM


def test_busybox_is_known_by_its_program_and_kills_everyone_after_a_second() -> None:
    for words, exe in (
        (["init"], "/bin/busybox"),
        (["/sbin/init"], "/bin/busybox (deleted)"),
        (["busybox", "init"], ""),
    ):
        halt = act(TERM, *words, exe=exe)
        assert (halt.to, halt.signal, halt.ends, halt.grace) == ("everyone", TERM, "after grace", "1 s")
    assert act(PWR, "init", exe="/bin/busybox").ends == "after grace"
    assert act(HUP, "init", exe="/bin/busybox").ends == "never"


@pytest.mark.parametrize(
    ("comm", "cmdline", "exe"),
    [
        ("app", ["app", "tini"], ""),
        ("init", ["/sbin/init"], ""),
        ("init", ["/sbin/init"], "/sbin/openrc-init"),
        ("sh", ["sh", "/usr/bin/tini"], ""),
        ("busybox", ["busybox", "sh"], "/bin/busybox"),
        ("", [], ""),
    ],
)
def test_what_is_not_known_is_not_guessed(comm: str, cmdline: list[str], exe: str) -> None:
    assert known(comm, cmdline, exe) is None


def test_options_that_do_not_parse_are_none() -> None:
    assert act(TERM, "tini", "-Z", "-g").to == "child"


@dataclass(frozen=True)
class Process:
    pid: int
    ppid: int
    pgrp: int
    start_ticks: int = 0
    state: str = "S"


FAMILY = [
    Process(1, 0, 1, 10),
    Process(9, 1, 9, 11),  # its child, with a PID greater than that of an orphan: PIDs wrap around
    Process(10, 9, 9, 12),
    Process(11, 10, 11, 13),
    Process(4, 1, 9, 14),
    Process(5, 1, 5, 15, "Z"),
]


@pytest.mark.parametrize(
    ("to", "pids"),
    [
        ("nobody", []),
        ("child", [9]),
        ("group", [9, 10, 4]),
        ("children", [9, 4]),
        ("everyone", [9, 10, 11, 4]),
    ],
)
def test_who_gets_the_signal_begins_with_the_child(to: str, pids: list[int]) -> None:
    assert receivers(Act(to), 1, FAMILY) == pids  # type: ignore[arg-type]


def test_a_child_that_leads_no_group_gets_it_alone() -> None:
    family = [Process(1, 0, 1, 10), Process(9, 1, 1, 11), Process(10, 9, 1, 12)]
    assert receivers(Act("group"), 1, family) == [9]
    assert receivers(Act("group"), 1, family[:1]) == []
