"""`sigtrace scan --all`: the tree of namespaces, on made-up rows."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from sigtrace.cli.tree import print_tree
from sigtrace.containers.stop_signal import StopRequest
from sigtrace.events.container import Container
from sigtrace.predict.scan_row import ScanRow, asked_about, row
from sigtrace.procfs.namespaces import PidNamespace
from sigtrace.procfs.signal_target import Target, Thread
from sigtrace.signals import mask
from tests.builders.scan_rows import (
    CHECKOUT,
    HOST,
    NESTED,
    NGINX,
    NOW,
    OWN,
    PAUSED,
    PLAIN,
    PYTHON,
    TERM,
    WEB,
    A,
    B,
    forwarding,
    init,
    judged,
    namespace,
)


def table(pairs: list[tuple[PidNamespace, Target]], stop_signal: int = 15, width: int = 80) -> str:
    return drawn([judged(pair, chosen=stop_signal) for pair in pairs], asked_about(stop_signal), width)


def drawn(rows: list[ScanRow], asked: tuple[int, ...] = (15, 2, 1, 3), width: int = 80) -> str:
    out = io.StringIO()
    print_tree(Console(file=out, width=width), rows, asked)
    return out.getvalue()


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


def test_a_container_begins_with_its_name_at_the_edge_of_the_tree() -> None:
    rows = [
        judged(HOST),
        judged(PYTHON, CHECKOUT),
        judged(NGINX, WEB),
        judged(NESTED, WEB, nested=True),
        judged(PAUSED, Container("0123456789abcdef" * 4, runtime="docker", stop_signal="SIGTERM")),
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
        "└─0123456789ab (docker)\n"
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


def test_hostile_names_behind_an_init_keep_to_eighty_columns() -> None:
    for name in ("\x1b[31mred", "a" * 300, "日本語の名前" * 20, "two\nlines", "\u202egnp"):
        deaf = Target(8, name, (Thread(8),), ignored=mask([TERM]), ns_pid=2, level=1)
        shown = drawn([row(PLAIN, forwarding(deaf), StopRequest(), NOW)])
        assert max(map(cells, shown.splitlines())) <= 80
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", shown)
