"""`sigtrace scan`: the whole table, the whole JSON, on made-up rows and on real namespaces."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from sigtrace.cli.scan import _summary
from sigtrace.cli.tree import print_tree
from sigtrace.containers.stop_signal import StopRequest, stop_request
from sigtrace.errors import BadInput
from sigtrace.events.container import Container
from sigtrace.lab.actor import Actor
from sigtrace.lab.stage import Stage
from sigtrace.predict.forwarders import known
from sigtrace.predict.kernel_rules import predict
from sigtrace.predict.passing import Step
from sigtrace.predict.scan import scan as look
from sigtrace.predict.scan_row import Init, ScanRow, asked_about, row
from sigtrace.procfs import process
from sigtrace.procfs.namespaces import PidNamespace
from sigtrace.procfs.remaining import Remaining
from sigtrace.procfs.signal_target import Relative, Target, Thread
from sigtrace.signals import mask
from tests.commands import nsid, sigtrace
from tests.conftest import require
from tests.containers import dockerlike

OWN, A, B = 4026531836, 4026532249, 4026532250
NOW = 1_000_000.0
TERM = 15


def namespace(nsid: int | None, level: int, parent: int | None, init: int, tasks: int = 1) -> PidNamespace:
    return PidNamespace(nsid, level, parent, init, 0, tasks, tasks)


def init(pid: int, comm: str, age: float, **facts: object) -> Target:
    start = int((NOW - age) * process.TICKS_PER_SECOND)
    state = "T" if facts.pop("stopped", False) else "S"
    threads = (Thread(pid, state, int(facts.pop("blocked", 0)), awaited=facts.pop("awaited", 0)),)
    return Target(pid, comm, threads, unkillable=True, ns_pid=1, level=1, start_ticks=start, **facts)


def table(pairs: list[tuple[PidNamespace, Target]], stop_signal: int = 15, width: int = 80) -> str:
    return drawn([judged(pair, chosen=stop_signal) for pair in pairs], asked_about(stop_signal), width)


def judged(
    pair: tuple[PidNamespace, Target],
    container: Container | None = None,
    nested: bool = False,
    chosen: int | None = None,
) -> ScanRow:
    return row(pair[0], Init(pair[1]), stop_request(container, nested, chosen), NOW)


def drawn(rows: list[ScanRow], asked: tuple[int, ...] = (15, 2, 1, 3), width: int = 80) -> str:
    out = io.StringIO()
    print_tree(Console(file=out, width=width), rows, asked)
    return out.getvalue()


HOST = (namespace(OWN, 0, None, 1, 312), init(1, "systemd", 400 * 86400, global_init=True, caught=mask([2])))
PYTHON = (namespace(4026532249, 1, OWN, 4242, 4), init(4242, "python3", 3 * 3600))
NGINX = (namespace(4026532301, 1, OWN, 51200, 9), init(51200, "nginx", 172801, caught=mask([1, 2, 3, 15])))
NESTED = (
    namespace(4026532400, 2, 4026532301, 51300, 2),
    init(51300, "tini", 59, awaited=mask([1, 2, 3, 15])),
)
PAUSED = (namespace(4026532500, 1, OWN, 60000, 1), init(60000, "app", 7200, frozen="v1", caught=mask([15])))


def test_the_table_is_a_tree_with_a_verdict_and_its_reason_under_each_namespace() -> None:
    assert table([HOST, PYTHON, NGINX, NESTED, PAUSED]) == (
        "PID NAMESPACE   INIT COMMAND           AGE TASKS  TERM   INT    HUP    QUIT\n"
        "4026531836         1 systemd          400d   312  drop   handle drop   drop\n"
        "│ the initial namespace: nobody is outside it to stop it\n"
        "├─4026532249    4242 python3            3h     4  drop   drop   drop   drop\n"
        "│   waits for KILL: no handler for SIGTERM, so the kernel drops it\n"
        "├─4026532301   51200 nginx              2d     9  handle handle handle handle\n"
        "│ │ stops at once: if its handler for SIGTERM ends it\n"
        "│ └─4026532400 51300 tini              59s     2  take   take   take   take\n"
        "│     stops at once: if it ends on it, or its child does (it takes SIGTERM in\n"
        "│     sigtimedwait(2))\n"
        "└─4026532500   60000 app                2h     1  frozen drop   drop   drop\n"
        "    waits for KILL: it is frozen (cgroup v1) and acts only once thawed, even on\n"
        "    SIGKILL\n"
    )


def test_another_stop_signal_gets_a_column_of_its_own_and_the_verdict() -> None:
    assert table([PYTHON, NGINX], stop_signal=37) == (
        "PID NAMESPACE  INIT COMMAND       AGE TASKS  TERM   INT    HUP    QUIT   RTMIN+3\n"
        "4026532249     4242 python3        3h     4  drop   drop   drop   drop   drop\n"
        "  waits for KILL: no handler for SIGRTMIN+3, so the kernel drops it\n"
        "4026532301    51200 nginx          2d     9  handle handle handle handle drop\n"
        "  waits for KILL: no handler for SIGRTMIN+3, so the kernel drops it (it does\n"
        "  take SIGTERM and SIGINT and SIGHUP and SIGQUIT)\n"
    )


@pytest.mark.parametrize("stop_signal", [15, 37])
def test_the_longest_words_stand_apart_and_within_eighty_columns(stop_signal: int) -> None:
    stopped = init(4194304, "a-long-command", 3600, state="T", caught=mask([1, 2, 3, 15, 37]), stopped=True)
    unseen = init(51200, "app", 3600, awaited=None, ignored=mask([1, 15]), caught=mask([2]))
    lines = table(
        [HOST, (namespace(A, 1, OWN, 4194304), stopped), (namespace(B, 1, OWN, 51200), unseen)], stop_signal
    ).splitlines()
    (first,) = (line for line in lines if "4194304" in line)
    (second,) = (line for line in lines if " 51200 " in line)
    most = 4 + (stop_signal == 37)
    assert first.split()[-most:] == ["stopped"] * most
    assert second.split()[-most:] == ["ignore?", "handle", "ignore?", "drop?", "drop?"][:most]
    assert lines[0].index(" TERM") == first.index(" stopped") == second.index(" ignore?")
    assert max(map(len, lines)) <= 80


def test_fifty_namespaces_keep_to_eighty_columns_whatever_their_names() -> None:
    names = ["app", "\x1b[31mred", "a" * 15, "日本語の名前", "two\nlines", "\u202egnp"]
    many = [
        (namespace(4026532249 + n, 1, OWN, 4194304 - n, 99999), init(4194304 - n, names[n % 6], n * 40000))
        for n in range(50)
    ]
    shown = table([HOST, *many])
    lines = shown.splitlines()
    assert len(lines) == 1 + 2 * 51
    assert max(map(cells, lines)) <= 80
    assert len({line.index("drop") + extra(line) for line in lines if line.count("drop ") == 3}) == 1
    assert "\x1b" not in shown
    assert "\u202e" not in shown


def test_a_terminal_without_unicode_gets_a_tree_of_ascii() -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    print_tree(Console(file=out, width=80), [judged(pair) for pair in (HOST, NGINX, NESTED)], (15,))
    out.seek(0)
    assert [line.split()[0] for line in out][1:] == [
        "4026531836",
        "|",
        "`-4026532301",
        "|",
        "`-4026532400",
        "stops",
        "sigtimedwait(2))",
    ]


def cells(line: str) -> int:
    return len(line) + extra(line)


def extra(line: str) -> int:
    return sum(ord(char) > 0x2FFF for char in line)


def test_namespaces_that_are_not_readable_hang_where_their_level_says() -> None:
    hidden = (namespace(None, 1, None, 9231), init(9231, "sleep", 60, awaited=None))
    nested = (namespace(None, 2, None, 9300), init(9300, "python3", 60, awaited=None, caught=mask([15])))
    assert table([HOST, hidden, nested]).splitlines()[3:] == [
        "└─(hidden)    9231 sleep             60s     1  drop?  drop?  drop?  drop?",
        "  │ can't be told: most likely waits for KILL: no handler for SIGTERM, so the",
        "  │ kernel drops it; not certain: whether it waits in sigtimedwait(2) is not",
        "  │ known: /proc/PID/syscall could not be read (it takes CAP_SYS_PTRACE and",
        "  │ CAP_DAC_READ_SEARCH)",
        "  └─(hidden)  9300 python3           60s     1  handle drop?  drop?  drop?",
        "      stops at once: if its handler for SIGTERM ends it",
    ]


PLAIN = namespace(A, 1, OWN, 7)
ENDING = replace(init(7, "app", 1), threads=(Thread(7, exiting=True),))
UNTOLD = init(7, "bash", 1, caught=mask([TERM]), shell="bash", children=(Relative(8, "sleep"),))
FINE = init(7, "app", 1, caught=mask([TERM]))
WAITS = init(7, "app", 1)


@pytest.mark.parametrize(
    ("targets", "sentence"),
    [
        ([], "No PID namespace here can be stopped from outside: there are no containers."),
        (
            [replace(FINE, global_init=True)],
            "No PID namespace here can be stopped from outside: there are no containers.",
        ),
        ([ENDING], "1 PID namespace: is ending already."),
        ([ENDING, WAITS], "2 PID namespaces: 1 is ending already, 1 waits for KILL."),
        ([WAITS], "1 PID namespace: waits for KILL."),
        (
            [FINE, WAITS, WAITS, UNTOLD],
            "4 PID namespaces: 2 wait for KILL, 1 stops at once, 1 can't be told.",
        ),
    ],
)
def test_the_table_ends_in_a_sum(targets: list[Target], sentence: str) -> None:
    assert _summary([judged((PLAIN, target)) for target in targets]) == sentence


def test_the_sum_names_containers_where_they_are_few() -> None:
    web, cache = Container("1" * 64, "web-1"), Container("2" * 64, "app", pod="till", pod_namespace="shop")
    waiting = [judged((PLAIN, WAITS), each) for each in (web, cache)]
    assert _summary(waiting[:1]) == "1 PID namespace (web-1): waits for KILL."
    fine = [judged((PLAIN, FINE), Container(str(n) * 64, f"db-{n}")) for n in range(4)]
    assert _summary([*waiting, *fine]) == (
        "6 PID namespaces: 4 stop at once, 2 wait for KILL (web-1, shop/till/app)."
    )
    assert (
        _summary([*waiting, judged((PLAIN, WAITS), web, nested=True)]) == "3 PID namespaces: 3 wait for KILL."
    )
    evil = judged((PLAIN, WAITS), Container("3" * 64, "\x1b[2Jx"))
    assert _summary([evil]) == "1 PID namespace (\\x1b[2Jx): waits for KILL."
    long = [judged((PLAIN, WAITS), Container("4" * 64, "a" * 70 + str(n))) for n in range(3)]
    assert max(map(len, _summary(long).splitlines())) <= 80


# Containers ------------------------------------------------------------------------------------------

WEB = Container("ab" * 32, "web-1", "docker", "nginx:1.25", stop_signal="SIGQUIT")
CHECKOUT = Container(
    "cd" * 32, "app", "containerd", "registry.example/shop/checkout:2.1", "checkout-7d4f", "shop"
)


def test_a_container_begins_with_its_name_at_the_edge_of_the_tree() -> None:
    rows = [
        judged(HOST),
        judged(PYTHON, CHECKOUT),
        judged(NGINX, WEB),
        judged(NESTED, WEB, nested=True),
        judged(PAUSED, Container("0123456789abcdef" * 4)),
    ]
    assert drawn(rows) == (
        "PID NAMESPACE   INIT COMMAND           AGE TASKS  TERM   INT    HUP    QUIT\n"
        "4026531836         1 systemd          400d   312  drop   handle drop   drop\n"
        "│ the initial namespace: nobody is outside it to stop it\n"
        "├─shop/checkout-7d4f/app (registry.example/shop/checkout:2.1, containerd)\n"
        "│ 4026532249    4242 python3            3h     4  drop   drop   drop   drop\n"
        "│   waits for KILL: no handler for SIGTERM, so the kernel drops it\n"
        "├─web-1 (nginx:1.25, docker)\n"
        "│ 4026532301   51200 nginx              2d     9  handle handle handle handle\n"
        "│ │ stops at once: if its handler for SIGQUIT ends it; SIGQUIT is its own stop\n"
        "│ │ signal\n"
        "│ └─4026532400 51300 tini              59s     2  take   take   take   take\n"
        "│     inside web-1: stops at once: if it ends on it, or its child does (it takes\n"
        "│     SIGTERM in sigtimedwait(2))\n"
        "└─0123456789ab\n"
        "  4026532500   60000 app                2h     1  frozen drop   drop   drop\n"
        "    waits for KILL: it is frozen (cgroup v1) and acts only once thawed, even on\n"
        "    SIGKILL\n"
    )


def test_of_a_long_image_the_end_is_shown_and_the_name_is_never_pushed_out() -> None:
    image = "registry.example.com:5000/a/very/long/path/" + "to/" * 20 + "checkout:2.1.7"
    (heading,) = (
        line
        for line in drawn([judged(PYTHON, replace(CHECKOUT, image=image))]).splitlines()
        if "shop/" in line
    )
    assert heading.startswith("shop/checkout-7d4f/app (…")
    assert heading.endswith("/to/checkout:2.1.7, containerd)")
    assert len(heading) == 80
    crowded = drawn([judged(PYTHON, replace(CHECKOUT, name="n" * 70, image=image))])
    assert max(map(len, crowded.splitlines())) <= 80


HOSTILE = ["\x1b[31mred", "a" * 300, "日本語の名前" * 20, "two\nlines", "\u202egnp", ""]


def test_thirty_containers_keep_to_eighty_columns_whatever_they_are_called() -> None:
    rows = [judged(HOST)]
    for n in range(30):
        container = Container(
            "ab" * 32, HOSTILE[n % 6], "docker", HOSTILE[n % 5], HOSTILE[n % 4], HOSTILE[n % 3]
        )
        pair = (namespace(4026532249 + n, 1, OWN, 4194304 - n), init(4194304 - n, "app", n))
        rows += [judged(pair, container), judged(pair, container, nested=True)]
    shown = drawn(rows)
    assert max(map(cells, shown.splitlines())) <= 80
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", shown)


def test_a_containers_own_stop_signal_is_judged_and_said() -> None:
    quits = init(7, "nginx", 1, caught=mask([3]))
    own = judged((PLAIN, quits), WEB)
    assert (own.verdict, own.why) == (
        "stops at once",
        "if its handler for SIGQUIT ends it; SIGQUIT is its own stop signal",
    )
    assert own.request == StopRequest(3, "container", WEB)
    told = judged((PLAIN, quits), WEB, chosen=TERM)
    assert (told.verdict, told.why) == (
        "waits for KILL",
        "no handler for SIGTERM, so the kernel drops it (it does take SIGQUIT)",
    )
    assert (told.request.signal, told.request.source) == (TERM, "option")
    halted = judged((PLAIN, WAITS), replace(WEB, stop_signal="37"))
    assert (
        halted.why == "no handler for SIGRTMIN+3, so the kernel drops it; SIGRTMIN+3 is its own stop signal"
    )
    assert halted.words[37] == "drop"


def test_what_is_nested_in_a_container_is_not_judged_by_its_stop_signal() -> None:
    nested = judged((PLAIN, FINE), WEB, nested=True)
    assert (nested.verdict, nested.why) == ("stops at once", "if its handler for SIGTERM ends it")
    assert nested.as_dict()["container_name"] == "web-1"
    assert (nested.request.source, nested.as_dict()["container_nested"]) == ("default", True)


@pytest.mark.parametrize("text", ["SIGNONE", "", "65", "\x1b[2J", "SIGQUIT; reboot"])
def test_a_stop_signal_that_is_none_counts_as_unknown(text: str) -> None:
    known = replace(WEB, stop_signal=text)
    assert judged((PLAIN, FINE), known).request == StopRequest(TERM, "default", known)


# What can't be told, and what is over ----------------------------------------------------------------


def said(target: Target, left: tuple[Remaining, ...] = ()) -> tuple[str, str]:
    found = row(namespace(A, 1, OWN, target.pid), Init(target, left), StopRequest(), NOW)
    return found.verdict, found.why


def test_a_shell_with_a_foreground_command_is_not_said_to_stop() -> None:
    waiting = "the shell most likely runs its trap only when its foreground command sleep[8] has ended"
    assert said(init(7, "bash", 1, caught=mask([TERM]), shell="bash", children=(Relative(8, "sleep"),))) == (
        "can't be told",
        waiting,
    )
    assert said(init(7, "bash", 1, caught=mask([TERM])))[0] == "stops at once"
    assert (
        "it does take"
        not in said(init(7, "bash", 1, caught=mask([2]), shell="bash", children=(Relative(8, "sleep"),)))[1]
    )


def test_a_signalfd_is_a_condition_and_one_that_was_not_read_is_no_stop() -> None:
    facts = {"blocked": mask([TERM]), "signalfd": mask([TERM])}
    assert said(init(7, "app", 1, **facts)) == (
        "stops at once",
        "if it reads its signalfd and ends (it blocks SIGTERM and has a signalfd for it)",
    )
    assert said(init(7, "app", 1, **facts, shared_pending=mask([TERM]))) == (
        "can't be told",
        "it has not read its signalfd yet, where a SIGTERM is pending already",
    )


def forwarding(member: Target, signal: int = TERM) -> Init:
    """An init like tini over this child."""
    target = init(7, "tini", 1, awaited=mask([1, 2, 3, TERM]))
    child = Step(member, signal, predict(member, signal, "same"))
    step = Step(target, signal, predict(target, signal, "ancestor"), known("tini", ["tini", "app"]), (child,))
    return Init(target, step=step)


def test_an_init_that_passes_the_signal_on_is_judged_by_its_child() -> None:
    deaf = Target(8, "app", (Thread(8),), ignored=mask([TERM]), ns_pid=2, level=1)
    found = row(PLAIN, forwarding(deaf), StopRequest(), NOW)
    assert (found.verdict, found.why) == ("waits for KILL", "it passes SIGTERM to app[8], which ignores it")
    assert found.as_dict()["passed_to"] == [
        {
            "pid": 8,
            "comm": "app",
            "by_pid": 7,
            "signal": "SIGTERM",
            "sure": True,
            "word": "ignore",
            "outcome": "ignored: the program asked for that",
        }
    ]
    listens = replace(deaf, ignored=0, caught=mask([TERM]))
    found = row(PLAIN, forwarding(listens), StopRequest(), NOW)
    assert (found.verdict, found.why) == (
        "stops at once",
        "if app[8] ends: it is passed SIGTERM, and has a handler for it",
    )


def test_hostile_names_behind_an_init_keep_to_eighty_columns() -> None:
    for name in ("\x1b[31mred", "a" * 300, "日本語の名前" * 20, "two\nlines", "\u202egnp"):
        deaf = Target(8, name, (Thread(8),), ignored=mask([TERM]), ns_pid=2, level=1)
        shown = drawn([row(PLAIN, forwarding(deaf), StopRequest(), NOW)])
        assert max(map(cells, shown.splitlines())) <= 80
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", shown)


def test_zombies_that_an_init_does_not_reap_are_said() -> None:
    target = init(7, "app", 1, caught=mask([TERM]))
    found = row(PLAIN, Init(target, zombies=8), StopRequest(), NOW)
    assert (
        found.why
        == "if its handler for SIGTERM ends it; 8 of its children are zombies: it does not reap them"
    )
    assert found.as_dict()["zombies"] == 8
    assert "zombies" not in row(PLAIN, Init(target, zombies=4), StopRequest(), NOW).why


def test_a_blocked_signal_with_a_handler_may_be_taken_any_moment() -> None:
    assert said(init(7, "app", 1, caught=mask([TERM]), blocked=mask([TERM]))) == (
        "can't be told",
        "it blocks SIGTERM now, and runs its handler for it once that is unblocked",
    )


def test_an_ended_init_is_said_to_wait_for_what_remains() -> None:
    target = replace(init(7, "app", 1), threads=(Thread(7, exiting=True),))
    left = (
        Remaining(8, "app", "Z", 99, "holder.py"),
        Remaining(9, "nfs", "D"),
        Remaining(10, "box", "D", frozen="v1"),
        Remaining(11, "app", "Z", 99, "holder.py", tracer_pid=98),
    )
    waits = "ending already: its init has exited, and waits for "
    assert said(target) == ("", waits + "all other processes of the namespace to be reaped")
    assert said(target, left) == (
        "",
        waits
        + "PID 8, a zombie of holder.py[99] outside the namespace; PID 9 (nfs), in uninterruptible sleep; "
        "PID 10 (box), frozen by cgroup v1; and for 1 more",
    )
    assert str(left[3]) == "PID 11, a zombie that its tracer, PID 98, has not waited for"


def test_killed_but_frozen_is_said_to_end_once_thawed() -> None:
    held = replace(init(7, "app", 1, frozen="v1"), threads=(Thread(7, "D", pending=mask([9])),))
    assert said(held) == ("", "killed already: it ends once thawed (cgroup v1)")
    assert said(replace(held, frozen="")) == (
        "",
        "killed already: it ends when its uninterruptible sleep does",
    )


# Real namespaces -------------------------------------------------------------------------------------


@pytest.fixture
def inits() -> Iterator[tuple[Actor, Actor]]:
    """An init without handlers, and one with a handler for INT, in a namespace below it."""
    require(os.geteuid() == 0, "kernel", "PID namespaces need root")
    with Stage() as stage:
        outer = stage.namespace()
        inner = outer.member().namespace()
        inner.init.set("handler", 2)
        outer.init("name('outer')")
        inner.init("name('inner')")
        yield outer.init, inner.init


def _uptime() -> float:
    """Seconds since the boot."""
    return float(Path("/proc/uptime").read_text().split()[0])


def normal(text: str, *actors: Actor) -> str:
    """The text without the numbers of this run."""
    for number, actor in enumerate(actors, 1):
        text = text.replace(str(nsid(actor)), f"402653200{number}")
        text = re.sub(rf"\b {{0,6}}{actor.pid}\b", f"{number:>5}", text)
    return re.sub(r"\b\d+s\b", " 0s", re.sub(r" {1,2}\d+s\b", "  0s", text))


@pytest.mark.parametrize("name", ["INT", "sigint", "2", 2])
def test_the_library_takes_a_signal_by_its_name(name: int | str, inits: tuple[Actor, Actor]) -> None:
    (found,) = look(name, ns={nsid(inits[1])})
    assert (found.verdict, found.why) == ("stops at once", "if its handler for SIGINT ends it")
    with pytest.raises(BadInput, match="unknown signal 'TREM'"):
        look("TREM")


def test_real_namespaces_are_shown_as_they_nest(inits: tuple[Actor, Actor]) -> None:
    outer, inner = inits
    done = sigtrace("scan", "--ns", str(outer.pid), "--ns", f"pid:[{nsid(inner)}]")
    assert (done.returncode, done.stderr) == (0, "")
    lines = [re.sub(r" +", " ", line) for line in normal(done.stdout, outer, inner).splitlines()]
    assert lines == [
        "PID NAMESPACE INIT COMMAND AGE TASKS TERM INT HUP QUIT",
        "4026532001 1 outer 0s 3 drop drop drop drop",
        "│ waits for KILL: no handler for SIGTERM, so the kernel drops it",
        "└─4026532002 2 inner 0s 1 drop handle drop drop",
        " waits for KILL: no handler for SIGTERM, so the kernel drops it (it does take",
        " SIGINT)",
        "",
        "2 PID namespaces: 2 wait for KILL.",
    ]


def test_json_lines_have_stable_keys(inits: tuple[Actor, Actor]) -> None:
    outer, inner = inits
    youngest = _uptime() - inner.start_ticks() / process.TICKS_PER_SECOND
    done = sigtrace("scan", "--format", "json", "--stop-signal", "INT", "--ns", str(inner.pid))
    oldest = _uptime() - inner.start_ticks() / process.TICKS_PER_SECOND
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = done.stdout.splitlines()
    found = json.loads(line)
    assert round(youngest) - 1 <= found.pop("age_seconds") <= round(oldest) + 1
    assert found.pop("ns_start") == inner.start_ticks()
    assert found == {
        "nsid": nsid(inner),
        "ns_level": 2,
        "parent_nsid": nsid(outer),
        "init_pid": inner.pid,
        "init_comm": "inner",
        "processes": 1,
        "tasks": 1,
        "frozen": "",
        "kept_by": [f"PID {inner.parent.pid}" if inner.parent else ""],
        "signals": {"SIGTERM": "drop", "SIGINT": "handle", "SIGHUP": "drop", "SIGQUIT": "drop"},
        "stop_signal": "SIGINT",
        "stop_signal_from": "option",
        "verdict": "stops at once",
        "why": "if its handler for SIGINT ends it",
        "ending": False,
        "passed_to": [],
        "zombies": 0,
        "container_id": "",
        "container_name": "",
        "runtime": "",
        "image": "",
        "pod": "",
        "pod_namespace": "",
        "container_nested": False,
        "container_claims": "",
    }


def test_a_real_container_is_shown_with_its_name_and_judged_by_its_own_stop_signal(
    inits: tuple[Actor, Actor],
) -> None:
    outer, inner = inits
    inner.set("handler", TERM)
    with dockerlike(outer.pid, "sigtrace-web", "nginx:1.25", "SIGQUIT") as container:
        assert inner.parent is not None
        container.join(inner.parent.pid, inner.pid)
        done = sigtrace("scan", "--container", "sigtrace-web", env=container.env)
        lines = sigtrace(
            "scan", "--container", container.id[:7], "--format", "json", env=container.env
        ).stdout
    assert (done.returncode, done.stderr) == (0, "")
    assert [re.sub(r" +", " ", line) for line in normal(done.stdout, outer, inner).splitlines()] == [
        "PID NAMESPACE INIT COMMAND AGE TASKS TERM INT HUP QUIT",
        "sigtrace-web (nginx:1.25, docker)",
        "4026532001 1 outer 0s 3 drop drop drop drop",
        "│ waits for KILL: no handler for SIGQUIT, so the kernel drops it; SIGQUIT is its",
        "│ own stop signal",
        "└─4026532002 2 inner 0s 1 handle handle drop drop",
        " inside sigtrace-web: stops at once: if its handler for SIGTERM ends it",
        "",
        "2 PID namespaces: 1 waits for KILL (sigtrace-web), 1 stops at once.",
        "Where it says `if`, the signal reaches the program; the rest is its own choice.",
    ]
    keys = ("nsid", "container_id", "container_name", "runtime", "image", "container_nested", "stop_signal")
    found = [
        tuple(json.loads(line)[key] for key in (*keys, "stop_signal_from")) for line in lines.splitlines()
    ]
    named = (container.id, "sigtrace-web", "docker", "nginx:1.25")
    assert found == [
        (nsid(outer), *named, False, "SIGQUIT", "container"),
        (nsid(inner), *named, True, "SIGTERM", "default"),
    ]


def test_a_container_whose_runtimes_files_are_elsewhere_has_a_footnote(inits: tuple[Actor, Actor]) -> None:
    outer, inner = inits
    with dockerlike(outer.pid, "sigtrace-web") as container:
        named = sigtrace("scan", "--ns", str(outer.pid), env=container.env)
        nameless = sigtrace("scan", "--ns", str(outer.pid), env={"SIGTRACE_ROOTS": ""})
    assert named.stderr == ""
    assert f"{container.id[:12]} (docker)" in nameless.stdout
    assert nameless.stderr == (
        "sigtrace: 1 container without a name: its runtime's files are not where sigtrace looks; SIGTRACE_ROOTS says "
        "where (docs/containers.md)\n"
    )
    assert sigtrace("scan", "--ns", str(inner.pid)).stderr == ""


def test_a_root_that_is_not_there_is_told_and_no_error(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    roots = f"docker={tmp_path}/data docker={tmp_path}/dada runc=/nowhere"
    done = sigtrace("scan", env={"SIGTRACE_ROOTS": roots})
    assert done.returncode == 0
    assert [line for line in done.stderr.splitlines() if "SIGTRACE_ROOTS: " in line] == [
        f"sigtrace: SIGTRACE_ROOTS: there is no directory docker={tmp_path}/dada",
        "sigtrace: SIGTRACE_ROOTS: there is no directory runc=/nowhere",
    ]
    (lost,) = sigtrace("scan", env={"SIGTRACE_ROOTS": f"host={tmp_path}/host"}).stderr.splitlines()[:1]
    assert lost == f"sigtrace: SIGTRACE_ROOTS: there is no directory host={tmp_path}/host"


def test_a_container_that_is_not_there_is_bad_input_with_the_near_one(inits: tuple[Actor, Actor]) -> None:
    with dockerlike(inits[0].pid, "sigtrace-web") as container:
        done = sigtrace("scan", "--container", "sigtrace-wbe", env=container.env)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(
        "sigtrace: no container here is called 'sigtrace-wbe': did you mean sigtrace-web"
    )


def test_the_whole_tree_holds_every_namespace_and_the_hosts_own(inits: tuple[Actor, Actor]) -> None:
    done = sigtrace("scan", "--format", "json")
    rows = {line["nsid"]: line for line in map(json.loads, done.stdout.splitlines())}
    own = os.stat("/proc/self/ns/pid").st_ino
    assert {own, nsid(inits[0]), nsid(inits[1])} <= set(rows)
    assert rows[own]["parent_nsid"] is None
    assert rows[own]["ns_level"] == 0


def test_another_user_sees_the_namespaces_and_is_told_what_is_hidden(inits: tuple[Actor, Actor]) -> None:
    script = "import os, shutil, sys\nfrom sigtrace.predict import explain, scan\n"
    script += "from sigtrace.cli import main, scan, tree\n"
    script += "os.setgroups([]); os.setgid(65534); os.setuid(65534)\nsys.argv = ['sigtrace', 'scan']\nmain()"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    (outer,) = (line for line in done.stdout.splitlines() if f" {inits[0].pid} outer " in line)
    (inner,) = (line for line in done.stdout.splitlines() if f" {inits[1].pid} inner " in line)
    assert "(hidden)" in outer
    assert inner.split()[-4:] == ["drop?", "handle", "drop?", "drop?"]
    assert inner.index("(hidden)") > outer.index("(hidden)")
    assert re.fullmatch(
        r"sigtrace: \d+ processes in other PID namespaces could not be read completely: run as root to see all\n",
        done.stderr,
    )


def test_a_namespace_kept_by_a_bind_mount_is_listed_without_an_init(tmp_path: Path) -> None:
    require(os.geteuid() == 0, "kernel", "PID namespaces need root")
    held = tmp_path / "held"
    held.touch()
    with Stage() as stage:
        keeper = stage.actor()
        keeper("private_mounts()")
        inside = stage.namespace()
        inode = inside.inode
        keeper(f"mount('/proc/{inside.init.pid}/ns/pid', {str(held)!r}, flags=syscalls.MS_BIND)")
        inside.init.dismiss()
        inside.holder.dismiss()
        line = keeper(
            f"__import__('subprocess').check_output([{sys.executable!r}, '-m', 'sigtrace', 'scan', '--format', "
            f"'json', '--ns', {str(held)!r}], cwd={os.getcwd()!r}, text=True)",
        )
    found = json.loads(line)
    assert (found["nsid"], found["init_pid"], found["processes"]) == (inode, None, 0)
    assert found["kept_by"] == [str(held)]
    assert found["why"] == f"no process lives in it; kept by {held}"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--stop-signal", "TREM"], "sigtrace: unknown signal 'TREM': did you mean TERM?"),
        (["--ns", "4194303"], "sigtrace: there is no process 4194303 here: it has ended, or never existed"),
    ],
)
def test_bad_input_is_one_sentence(words: list[str], sentence: str) -> None:
    done = sigtrace("scan", *words)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", sentence + "\n")
