"""`sigtrace scan`: its list and its last lines, on made-up rows."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import pytest
from rich.cells import cell_len
from rich.console import Console

from sigtrace.cli.scan_list import print_list
from sigtrace.cli.scan_summary import besides, conclusion
from sigtrace.cli.wrapping import wrapped
from sigtrace.events.container import Container
from sigtrace.predict.overview import overview
from sigtrace.predict.scan_row import ScanRow
from sigtrace.procfs.signal_target import Target
from tests.builders.scan_rows import (
    CHECKOUT,
    ENDING,
    FINE,
    HOST,
    NESTED,
    NGINX,
    PAUSED,
    PLAIN,
    PYTHON,
    UNTOLD,
    WAITS,
    WEB,
    init,
    judged,
    namespace,
)


def drawn(rows: list[ScanRow], width: int = 80, details: bool = False, every: bool = False) -> str:
    out = io.StringIO()
    print_list(Console(file=out, width=width), overview(rows, every).listed, details)
    return out.getvalue()


def shop(number: int, target: Target, image: str = "shop/web:2.1") -> ScanRow:
    return judged(
        (PLAIN, target), Container(f"{number:064x}", f"web-{number}", "docker", image, stop_signal="SIGTERM")
    )


def said(*rows: ScanRow) -> str:
    return " ".join(conclusion(overview(rows), [row.container for row in rows if row.container]))


def test_the_list_has_the_outcome_beside_the_containers_then_the_reason_and_the_signals() -> None:
    many = [replace(shop(n, PYTHON[1]), age=n * 3600.0) for n in range(1, 8)]
    rows = [
        judged(HOST),
        judged(PAUSED, CHECKOUT),
        judged(NGINX, WEB),
        judged(NESTED, WEB, nested=True),
        *many,
    ]
    assert drawn(rows) == (
        "ON A STOP       CONTAINER\n"
        "waits for KILL  7 containers of shop/web:2.1 (docker): web-1, web-2, web-3,\n"
        "                web-4, web-5 and 2 more\n"
        "                no handler for SIGTERM, so the kernel drops it\n"
        "                python3, 60m to 7h old; TERM INT HUP QUIT: drop\n"
        "waits for KILL  shop/checkout-7d4f/app (….example/shop/checkout:2.1, containerd)\n"
        "                it is frozen (cgroup v1) and acts only once thawed, even on\n"
        "                SIGKILL\n"
        "                app[60000], 2h old; TERM: frozen; INT HUP QUIT: drop\n"
        "stops at once   web-1 (nginx:1.25, docker)\n"
        "                if its handler for SIGQUIT ends it; SIGQUIT is its own stop\n"
        "                signal\n"
    )


def test_who_asks_for_a_container_sees_its_signals_though_it_stops() -> None:
    assert drawn([judged(NGINX, WEB)], details=True).splitlines()[-1] == (
        "                nginx[51200], 2d old; TERM INT HUP QUIT: handle"
    )


def test_a_namespace_of_no_container_says_where_it_is() -> None:
    claimed = judged((PLAIN, FINE), Container("", "claims to be db", claims="db"))
    lines = drawn([judged(HOST), judged(NESTED, WEB, nested=True), claimed], every=True).splitlines()
    heads = [line for line in lines if "PID namespace" in line]
    assert heads == [
        "                PID namespace 4026531836",
        "stops at once   PID namespace 4026532249, claims to be db",
        "stops at once   PID namespace 4026532400 inside web-1",
    ]


HOSTILE = ["\x1b[31mred", "a" * 300, "日本語の名前" * 20, "two\nlines", "\u202egnp", ""]


@pytest.mark.parametrize("width", [60, 80, 200])
def test_whatever_containers_are_called_the_list_keeps_to_its_columns(width: int) -> None:
    rows = []
    for n in range(30):
        known = Container(
            f"{n % 7:064x}", HOSTILE[n % 6], "docker", HOSTILE[n % 5], HOSTILE[n % 4], HOSTILE[n % 3]
        )
        target = init(4194304 - n, HOSTILE[n % 6][:15], n * 10**8, caught=1 << 14)
        rows += [judged((namespace(4026532249 + n, 1, 1, 4194304 - n), target), known, nested=n % 2 == 0)]
    text = drawn(rows, width, details=True, every=True) + wrapped(besides(rows))
    assert max(map(cell_len, text.splitlines())) <= max(width, 80)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)


@pytest.mark.parametrize(
    ("targets", "sentence"),
    [
        ([], "No PID namespace here can be stopped from outside: there are no containers."),
        ([ENDING], "1 container is ending already."),
        ([FINE], "The one container would stop on its signal; `if`: when the program chooses to."),
        ([FINE, FINE], "Both containers would stop on their signal; `if`: when the program chooses to."),
        (
            [WAITS],
            "1 of 1 container would not stop on its signal. `sigtrace explain web-0` says why, and what to do.",
        ),
        (
            [ENDING, FINE, WAITS],
            "1 of 2 containers would not stop on its signal; 1 more is ending already. "
            "`sigtrace explain web-2` says why, and what to do.",
        ),
        (
            [FINE, UNTOLD],
            "It can't be told of 1 of 2 containers whether a stop would work. "
            "`sigtrace explain web-1` says why.",
        ),
        (
            [FINE, WAITS, WAITS, UNTOLD],
            "2 of 4 containers would not stop on their signal, and of 1 it can't be told. "
            "`sigtrace explain web-1` says why, and what to do.",
        ),
    ],
)
def test_the_last_line_says_how_many_would_hang_and_what_to_type(
    targets: list[Target], sentence: str
) -> None:
    assert said(*(shop(number, target) for number, target in enumerate(targets))) == sentence


def test_the_command_has_the_signal_that_was_asked_about() -> None:
    chosen = judged((PLAIN, WAITS), WEB, chosen=37)
    assert "`sigtrace explain --signal RTMIN+3 web-1` says why, and what to do." in said(chosen)


def test_a_command_is_never_broken_over_two_lines() -> None:
    text = "a" * 70 + " `sigtrace explain web-1` says why"
    assert wrapped(text).splitlines()[1] == "`sigtrace explain web-1` says why"


def test_other_namespaces_are_one_sentence() -> None:
    browser = [judged((PLAIN, replace(WAITS, comm="chromium"))) for _ in range(3)]
    inside = judged((PLAIN, replace(WAITS, comm="bwrap")), WEB, nested=True)
    kinds = [judged((PLAIN, replace(WAITS, comm=name))) for name in "abcd"]
    assert besides([]) == ""
    assert besides([*browser, inside]) == (
        "Not listed: 3 PID namespaces of no container (chromium x 3), 1 inside containers or pods (bwrap); "
        "`sigtrace scan --all` shows them."
    )
    assert "(chromium x 3, a, b, c and 1 more)" in besides([*browser, *kinds])
