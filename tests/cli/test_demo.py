"""What `sigtrace demo` prints, as a whole, for records made up here."""

from __future__ import annotations

import json
import signal

import pytest
from click.testing import CliRunner

from sigtrace.cli.demo import demo
from sigtrace.errors import CannotTrace
from sigtrace.lab import demo as core
from tests.builders.demos import SECOND, batch, ended, generated

WHY_NOT = "this kernel has no BTF: boot one with CONFIG_DEBUG_INFO_BTF=y."


@pytest.fixture(autouse=True)
def replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that cannot trace, and a recording of one drop whose init has an evil name."""

    def perform() -> None:
        raise CannotTrace(WHY_NOT)

    name = b"app\x1b[31m"
    stop = batch(
        generated(5 * SECOND, signal.SIGTERM, 1),
        generated(8 * SECOND, signal.SIGKILL, 0),
        ended(8 * SECOND + 4_000_000, signal.SIGKILL, target_comm=name),
    )
    clean = batch(generated(SECOND, signal.SIGTERM, 0, disposition="handler"), ended(SECOND + 500_000, 0))
    monkeypatch.setattr(core, "perform", lambda: closing_generator(perform))
    monkeypatch.setattr(core, "replay", lambda: ([stop, clean], "Linux 6.1 x86_64, 2030-01-01"))


def closing_generator(perform: object) -> object:
    perform()
    yield


def test_the_story_is_told_in_80_columns_without_a_raw_escape() -> None:
    shown = CliRunner().invoke(demo)
    assert shown.exit_code == 0
    assert shown.output == (
        "A container's pid 1 is stopped as a runtime does it: SIGTERM, 3 s of grace,\n"
        "SIGKILL. What the kernel does, as sigtrace records it:\n"
        "\n"
        "Not live: this kernel has no BTF: boot one with CONFIG_DEBUG_INFO_BTF=y.\n"
        "Replaying a recording (Linux 6.1 x86_64, 2030-01-01).\n"
        "\n"
        "1. app\\x1b[31m, pid 1 of pid:[4026532200], without a handler for SIGTERM\n"
        "  +0 s      SIGTERM from runc[9], child of shim[8]\n"
        "            DROPPED by the kernel: an init, and no handler for it\n"
        "  +3 s      SIGKILL from runc[9], child of shim[8]\n"
        "            queued\n"
        "  +3 s      app\\x1b[31m is killed by SIGKILL\n"
        "            The stop hung for 3 s, on a signal that nobody ever saw.\n"
        "\n"
        "2. app, pid 1 of pid:[4026532200], with a handler for SIGTERM\n"
        "  +0 s      SIGTERM from runc[9], child of shim[8]\n"
        "            queued\n"
        "  +500 us   app exits with code 0\n"
        "            The stop took 500 us.\n"
        "\n"
        "Why: The kernel marks the init of every PID namespace as unkillable. A signal it\n"
        "has no handler for is discarded as soon as it is generated, while kill(2) tells\n"
        "the sender it succeeded. Only SIGKILL (and SIGSTOP) from outside the namespace\n"
        "still act. So every stop of such a container takes its whole grace period.\n"
        "\n"
        "How to fix it:\n"
        "  - install a handler for SIGTERM in the program that runs as pid 1;\n"
        "  - or give it an init that passes signals on: docker run --init, tini;\n"
        "  - no shell as pid 1: ENTRYPOINT in exec form, or `exec` in the start script;\n"
        "  - or set STOPSIGNAL to a signal the program does handle.\n"
        "\n"
        "On your own containers: `sigtrace scan` names those that would hang,\n"
        "`sigtrace watch` shows drops live.\n"
    )
    assert max(map(len, shown.output.splitlines())) <= 80


def test_json_is_one_line_a_stop_and_says_where_it_is_replayed_from() -> None:
    shown = CliRunner().invoke(demo, ["--format", "json"])
    first, second = map(json.loads, shown.output.splitlines())
    assert first == {
        "time": "1970-01-01T00:00:05.000000000Z",
        "nsid": 4026532200,
        "target_comm": "app\x1b[31m",
        "target_pid": 500,
        "dropped": True,
        "took_seconds": 3.004,
        "exit_signal": 9,
        "exit_code": 0,
        "signals": [
            {
                "after_seconds": after,
                "signal_name": name,
                "sender_comm": "runc",
                "sender_pid": 9,
                "sender_parent_comm": "shim",
                "sender_parent_pid": 8,
                "verdicts": [verdict],
            }
            for after, name, verdict in ((0.0, "SIGTERM", "dropped_at_generate"), (3.0, "SIGKILL", "queued"))
        ],
        "replayed_from": "Linux 6.1 x86_64, 2030-01-01",
        "replayed_because": WHY_NOT,
    }
    assert (second["dropped"], second["exit_code"]) == (False, 0)


def test_a_recording_is_not_saved_where_nothing_can_be_recorded(tmp_path: object) -> None:
    shown = CliRunner().invoke(demo, ["--save", str(tmp_path)])
    assert isinstance(shown.exception, CannotTrace)
