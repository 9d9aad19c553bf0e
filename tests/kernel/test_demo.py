"""The demo tells the same story live and replayed, and the shipped recording is one that this version reads."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from sigtrace.errors import SigtraceError
from sigtrace.events import wire
from sigtrace.events.batch import Batch
from sigtrace.lab import demo
from tests.kernel.recording import give_up_privileges
from tests.patience import patient

SIGTRACE = (sys.executable, "-m", "sigtrace")


def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*SIGTRACE, "demo", *arguments], capture_output=True, text=True, check=False, **options
    )


@pytest.mark.kernel
def test_live_a_stop_without_a_handler_hangs_for_the_grace_period_and_one_with_a_handler_does_not() -> None:
    done = run("--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    without, with_handler = (json.loads(line) for line in done.stdout.splitlines())
    term, kill = without["signals"]
    assert (without["dropped"], term["signal_name"], term["verdicts"]) == (
        True,
        "SIGTERM",
        ["dropped_at_generate"],
    )
    assert (kill["signal_name"], kill["verdicts"]) == ("SIGKILL", ["queued", "default_action"])
    assert (without["exit_signal"], without["exit_code"]) == (signal.SIGKILL, 0)
    assert without["took_seconds"] >= demo.GRACE_SECONDS
    assert (term["sender_comm"], term["sender_parent_comm"]) == ("demo-stop", "demo-runtime")
    assert term["sender_pid"] != kill["sender_pid"]
    assert term["sender_parent_pid"] == kill["sender_parent_pid"]
    assert [step["verdicts"] for step in with_handler["signals"]] == [["queued", "handled"]]
    assert (with_handler["exit_signal"], with_handler["exit_code"], with_handler["dropped"]) == (0, 0, False)
    assert with_handler["took_seconds"] < without["took_seconds"]
    assert (without["replayed_from"], without["replayed_because"]) == ("", "")


@pytest.mark.kernel
def test_what_is_saved_tells_the_same_story_again(tmp_path: Path) -> None:
    performed = list(demo.perform(grace=0.05))
    demo.save(performed, tmp_path)
    replayed, origin = demo.replay(tmp_path)
    assert [retold(batch) for batch in replayed] == [retold(batch) for batch in performed]
    assert demo.read_stop(replayed[0]).time == demo.read_stop(performed[0]).time
    assert origin.startswith(f"Linux {os.uname().release.split('-')[0]}")


def retold(batch: Batch) -> demo.DemoStop:
    """The story but its date: the clock offset is measured anew for each live batch, and differs by nanoseconds."""
    return replace(demo.read_stop(batch), time="")


@pytest.mark.kernel
def test_without_privileges_it_says_so_in_a_sentence_and_replays() -> None:
    done = run(preexec_fn=give_up_privileges)
    assert (done.returncode, done.stderr) == (0, "")
    text = " ".join(done.stdout.split())
    assert "Not live: " in text
    assert "Replaying a recording (Linux " in text
    assert "DROPPED by the kernel: an init, and no handler for it" in text
    assert re.search(r"The stop hung for 3(\.\d+)? s, on a signal that nobody ever saw\.", text)


@pytest.mark.kernel
def test_ctrl_c_during_the_grace_period_ends_it_without_a_trace() -> None:
    command = [*SIGTRACE, "demo"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0) as running:
        try:
            assert running.stdout is not None
            assert running.stderr is not None
            running.stdout.readline()
            running.send_signal(signal.SIGINT)
            running.stdout.read()
            assert running.wait(patient(20)) in (-signal.SIGINT, 130)  # a shell shows 130 for both
            assert running.stderr.read().strip() == b""
        finally:
            running.kill()


def test_the_shipped_recording_is_of_this_wire_format_and_tells_of_the_drop_and_the_handler() -> None:
    batches, origin = demo.replay()
    assert origin.startswith("Linux ")
    assert all(batch.records.dtype == wire.EVENT.dtype() for batch in batches)
    hung, stopped = map(demo.read_stop, batches)
    assert [step.verdicts for step in hung.sent] == [("dropped_at_generate",), ("queued", "default_action")]
    assert (hung.dropped, hung.end.signal) == (True, signal.SIGKILL)
    assert 3 <= hung.end.after < 4
    assert [step.verdicts for step in stopped.sent] == [("queued", "handled")]
    assert (stopped.dropped, stopped.end.signal, stopped.end.exit_code) == (False, 0, 0)
    assert stopped.end.after < 1


@pytest.mark.parametrize("damage", [None, b"", b"not numpy", b"\x93NUMPY\x01\x00"])
def test_a_missing_or_damaged_recording_is_one_sentence(tmp_path: Path, damage: bytes | None) -> None:
    (tmp_path / "demo.json").write_text('{"kernel": "Linux", "recorded": "today", "boot_to_utc": 1}')
    if damage is not None:
        (tmp_path / "demo.npy").write_bytes(damage)
    with pytest.raises(SigtraceError, match=r"cannot be read: reinstall sigtrace\.$"):
        demo.replay(tmp_path)


def test_a_recording_of_another_wire_format_is_refused(tmp_path: Path) -> None:
    import numpy as np

    (tmp_path / "demo.json").write_text('{"kernel": "Linux", "recorded": "today", "boot_to_utc": 1}')
    np.save(tmp_path / "demo.npy", np.zeros(3, [("time", "<u8")]))
    with pytest.raises(SigtraceError, match="of another version"):
        demo.replay(tmp_path)
