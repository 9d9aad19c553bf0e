"""The lab's experiments hold on this kernel, recorded and unrecorded, and leave nothing behind however they end."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sigtrace.lab import channel
from sigtrace.lab.actor import RUNNING, Fate
from sigtrace.lab.catalogue import EXPERIMENTS, recording, run
from sigtrace.lab.channel import ActorGone, ActorSilent, StageFailed
from sigtrace.lab.experiment import Experiment, Lab, LabRecorder, experiment
from sigtrace.lab.stage import Stage
from sigtrace.lab.syscalls import CLONE_NEWUSER
from tests.conftest import require
from tests.kernel.recording import give_up_privileges
from tests.patience import patient

pytestmark = pytest.mark.kernel

SIGTRACE = (sys.executable, "-m", "sigtrace")


@pytest.fixture(scope="module")
def recorder() -> Iterator[LabRecorder]:
    with recording() as (opened, why_not):
        assert opened is not None, why_not
        yield opened


@pytest.mark.parametrize("chosen", EXPERIMENTS, ids=lambda chosen: chosen.name)
def test_theory_kernel_and_record_agree(chosen: Experiment, recorder: LabRecorder) -> None:
    outcome = run(chosen, recorder)
    assert (outcome.error, outcome.skipped) == ("", "")
    assert [check for check in outcome.checks if not check.passed] == []
    assert any(check.theory for check in outcome.checks)


RECORDED = [chosen for chosen in EXPERIMENTS if chosen.name not in ("dead-namespace", "proc-remount")]


@pytest.mark.parametrize("chosen", RECORDED, ids=lambda chosen: chosen.name)
def test_every_experiment_with_signals_checks_its_record(chosen: Experiment, recorder: LabRecorder) -> None:
    assert any(check.recorded is not None for check in run(chosen, recorder).checks)


@pytest.mark.parametrize("chosen", EXPERIMENTS, ids=lambda chosen: chosen.name)
def test_without_a_recorder_the_experiment_runs_all_the_same(chosen: Experiment) -> None:
    outcome = run(chosen, None)
    assert outcome.passed
    assert all(check.recorded is None for check in outcome.checks)


def test_a_wrong_theory_fails_on_what_happened_and_on_what_was_recorded(recorder: LabRecorder) -> None:
    @experiment("wrong", "a theory that does not hold")
    def wrong(lab: Lab) -> None:
        """SIGTERM kills an init."""
        namespace = lab.namespace()
        lab.send(namespace.member(), namespace.init, signal.SIGTERM, "is killed by SIGTERM", "queued")

    outcome = run(wrong, recorder)
    assert not outcome.passed
    (check,) = outcome.checks
    assert (check.happened, check.recorded) == ("nothing happens", "dropped_at_generate")


def test_an_experiment_that_breaks_off_is_reported_and_cleaned_up() -> None:
    pids = []

    @experiment("broken", "an experiment that breaks off")
    def broken(lab: Lab) -> None:
        """An actor that is gone cannot be told anything."""
        member = lab.namespace().member()
        pids.append(member.pid)
        member.end()
        member("getpid()")

    outcome = run(broken, None)
    assert outcome.error == f"process {pids[0]} is gone"
    assert not outcome.passed


def test_lab_all_as_json_is_one_line_an_experiment_and_exits_with_0() -> None:
    done = subprocess.run(
        [*SIGTRACE, "lab", "all", "--format", "json"], capture_output=True, text=True, check=False
    )
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr) == (0, "")
    assert [row["experiment"] for row in rows] == [chosen.name for chosen in EXPERIMENTS]
    assert all(row["passed"] and not row["not_recorded_because"] for row in rows)


def test_the_table_fits_80_columns_and_says_what_happened_and_what_was_recorded() -> None:
    done = subprocess.run([*SIGTRACE, "lab", "term-no-handler"], capture_output=True, text=True, check=False)
    assert done.stdout == (
        "term-no-handler: SIGTERM to pid 1 from inside, without a handler\n"
        "  theory   The init of a PID namespace is SIGNAL_UNKILLABLE: a signal it has no\n"
        "           handler for is discarded as it is generated, whatever its default\n"
        "           action, and kill(2) tells the sender it succeeded. Any other process\n"
        "           dies.\n"
        "  did      pid 2 inside calls kill(1, SIGTERM)\n"
        "           ok  nothing happens\n"
        "           ok  recorded: dropped_at_generate\n"
        "  did      it calls kill(1, SIGTERM)\n"
        "           ok  nothing happens\n"
        "           ok  recorded: dropped_at_generate\n"
        "  did      pid 2 inside calls kill(3, SIGTERM)\n"
        "           ok  is killed by SIGTERM\n"
        "           ok  recorded: queued\n"
        "  PASS     3 checks\n"
        "\n"
    )


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
def test_no_process_is_left_behind_however_the_lab_is_ended(number: int, code: int) -> None:
    mark = f"SIGTRACE_TEST_MARK={uuid.uuid4()}"
    environment = os.environ | dict([mark.split("=")])
    command = [*SIGTRACE, "lab", "all"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as running:
        try:
            assert running.stdout is not None
            assert running.stderr is not None
            assert running.stdout.readline().startswith(b"term-no-handler")  # it is in the midst of it
            assert wait_for(lambda: family(running.pid))
            running.send_signal(number)
            running.stdout.read()
            assert running.wait(patient(20)) == code
            assert b"Traceback" not in running.stderr.read()
        finally:
            running.kill()
    wait_for(lambda: not marked(mark))


def test_leaving_the_stage_ends_stopped_orphaned_joined_and_nested_processes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended: list[bool] = []

    def noted(descriptor: Any, seconds: float) -> bool:
        ended.append(channel.readable(descriptor, seconds))
        return ended[-1]

    monkeypatch.setattr("sigtrace.lab.stage.readable", noted)
    with Stage() as stage:
        namespace = stage.namespace()
        nested = namespace.init.namespace()
        parent, stopped = namespace.member(), namespace.member()
        orphan = parent.fork()
        orphan("prctl(syscalls.PR_SET_PDEATHSIG, 0)")
        parent.end()
        stage.outside.kill(stopped, signal.SIGSTOP)
        cast = [
            stage.outside,
            namespace.init,
            namespace.holder,
            namespace.joined(),
            nested.member(),
            orphan,
            stopped,
        ]
        assert all(actor.alive() for actor in cast)
        pids = [actor.pid for actor in cast]
    assert len(ended) >= len(pids) - 1
    assert all(ended), "it waited for one in vain"
    wait_for(lambda: not any(exists(pid) for pid in pids))


def test_a_stopped_actor_cannot_hang_its_driver() -> None:
    with Stage() as stage:
        actor = stage.actor()
        stage.outside.kill(actor, signal.SIGSTOP)
        assert actor.settle() == Fate("stopped", signal.SIGSTOP)
        with pytest.raises(ActorSilent, match="did not answer"):
            actor("getpid()", seconds=0.05)
        stage.outside.kill(actor, signal.SIGCONT)
        assert actor.settle() == RUNNING
        assert actor("getpid()") == actor.pid  # the late answer is not taken for this one


def test_an_actor_says_what_went_wrong_in_it() -> None:
    with Stage() as stage:
        actor = stage.actor()
        with pytest.raises(ProcessLookupError):
            actor("kill(0x3fffffff, 0)")
        with pytest.raises(StageFailed, match="ZeroDivisionError"):
            actor("1 / 0")
        actor.channel.request("os._exit(5)")
        assert actor.fate() == Fate("exited", 5)
        with pytest.raises(ActorGone):
            actor("getpid()")


def test_an_actor_starts_with_every_signal_at_its_default_and_nothing_blocked() -> None:
    with Stage() as stage:
        parent = stage.actor()
        parent.set("handler", *(number for number in range(1, 65) if number not in (9, 19)))
        parent("block(*range(1, 65))")
        assert len(parent.mask("SigCgt")) == len(parent.mask("SigBlk")) == 62
        for actor in (stage.actor(), parent.fork()):
            assert [actor.mask(field) for field in ("SigCgt", "SigIgn", "SigBlk", "SigPnd", "ShdPnd")] == [
                []
            ] * 5


def test_without_privileges_most_of_it_runs_in_user_namespaces_and_the_rest_says_what_it_takes() -> None:
    probe = subprocess.run(
        ["unshare", "-U", "true"], preexec_fn=give_up_privileges, capture_output=True, check=False
    )
    require(probe.returncode == 0, "kernel", "this host lets no user make a user namespace")
    command = [*SIGTRACE, "lab", "all", "--format", "json"]
    done = subprocess.run(command, preexec_fn=give_up_privileges, capture_output=True, text=True, check=False)
    rows = {row["experiment"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert (done.returncode, done.stderr, len(rows)) == (0, "", len(EXPERIMENTS))
    skipped = {name: row["skipped"] for name, row in rows.items() if not row["passed"]}
    assert set(skipped) == {"dead-namespace", "unshare-setns"}
    assert set(skipped.values()) == {"needs root: Operation not permitted"}
    assert all("CAP_BPF" in row["not_recorded_because"] for row in rows.values())


def test_where_no_namespace_can_be_made_that_is_said_once_and_not_per_experiment() -> None:
    done = subprocess.run(
        [*SIGTRACE, "lab"], preexec_fn=forbid_namespaces, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("sigtrace: cannot create a PID namespace (")
    assert "theory" not in done.stdout


def forbid_namespaces() -> None:
    """No capability, and no way to more in a user namespace: this one's limit on those below it is 0."""
    assert ctypes.CDLL(None).unshare(CLONE_NEWUSER) == 0
    Path("/proc/self/uid_map").write_text("0 0 1")
    Path("/proc/sys/user/max_user_namespaces").write_text("0")
    give_up_privileges()


def test_inside_a_pid_namespace_as_in_a_privileged_container_the_record_still_agrees() -> None:
    container = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    command = [*container, *SIGTRACE, "lab", "all", "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, len(rows)) == (0, len(EXPERIMENTS)), done.stderr
    assert all(row["passed"] and not row["not_recorded_because"] for row in rows)


def family(pid: int) -> list[int]:
    """The process's descendants, from /proc: by the lists of children, for a host may have many processes."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                found += [child, *family(child)]
    return found


def marked(mark: str) -> list[int]:
    """Every living process on this host that inherited this mark in its environment."""
    found = []
    for entry in filter(str.isdecimal, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if mark.encode() in Path(f"/proc/{entry}/environ").read_bytes():
                found.append(int(entry))
    return found


def exists(pid: int) -> bool:
    """Whether there is such a process, be it a zombie that its new parent has not reaped yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def wait_for(condition: Callable[[], object], seconds: float = 20.0) -> object:
    deadline = time.monotonic() + patient(seconds)
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.002)
    pytest.fail("waited in vain")
