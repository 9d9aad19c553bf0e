"""`sigtrace explain`: whole answers about real processes, and what it says to bad input."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator

import pytest

from sigtrace import signals
from sigtrace.cli.explain import _lines
from sigtrace.containers.stop_signal import StopRequest
from sigtrace.errors import BadInput
from sigtrace.events.container import Container
from sigtrace.lab.actor import Actor
from sigtrace.lab.stage import Stage
from sigtrace.predict.explain import Explanation, explain
from sigtrace.predict.kernel_rules import Target, Thread, predict
from sigtrace.predict.prose import facts
from sigtrace.procfs.signal_target import Relative
from sigtrace.signals import mask
from tests.commands import nsid, sigtrace
from tests.conftest import require
from tests.containers import dockerlike

INT, KILL, USR1, TERM = 2, 9, 10, 15


@pytest.fixture
def stage() -> Iterator[Stage]:
    require(os.geteuid() == 0, "kernel", "PID namespaces need root")
    with Stage() as opened:
        yield opened


@pytest.fixture
def init(stage: Stage) -> Actor:
    actor = stage.namespace().init
    actor("name('app')")
    return actor


def answer(*words: str, env: dict[str, str] | None = None) -> dict[str, object]:
    done = sigtrace("explain", "--format", "json", *words, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = done.stdout.splitlines()
    found = json.loads(line)
    assert isinstance(found, dict)
    return found


def test_a_drop_is_explained_with_its_rule_its_facts_and_its_fix(init: Actor) -> None:
    init.set("handler", INT)
    done = sigtrace("explain", "--signal", "TERM", "--pid", str(init.pid))
    assert (done.returncode, done.stderr) == (0, "")
    shown = re.sub(r"command: .*\n", "command: (that of the actor)\n", done.stdout)
    assert shown == (
        f"SIGTERM to PID {init.pid} (app), from outside its PID namespace:\n"
        "  dropped: kill(2) reports success, and the process never hears of it\n"
        "\n"
        "  rule   it is the init of its PID namespace and has no handler for SIGTERM:\n"
        "           the kernel discards it\n"
        "         kernel/signal.c: sig_task_ignored()\n"
        f"  facts  init of PID namespace {nsid(init)}\n"
        "         command: (that of the actor)\n"
        "         action for SIGTERM: default (terminate)\n"
        "         blocked: no; sigtimedwait: no; signalfd: no\n"
        "         handlers: INT\n"
        "         state S\n"
        "  fix    it does take SIGINT: if it ends on that, make it the STOPSIGNAL\n"
        "         install a handler for SIGTERM in the program, before it starts its\n"
        "           work\n"
        "         run a small init as PID 1: docker run --init, or tini or catatonit in\n"
        "           the image\n"
        "         behind a small init the program is not PID 1: SIGHUP, SIGQUIT,\n"
        "           SIGUSR1, SIGUSR2, SIGPIPE and SIGALRM, which are dropped now, then\n"
        "           end it as well\n"
    )


def test_json_has_stable_keys_and_the_whole_prediction(init: Actor) -> None:
    found = answer("--signal", "TERM", "--pid", str(init.pid))
    assert isinstance(found.pop("target_cmdline"), list)
    assert isinstance(found.pop("advice"), list)
    assert found == {
        "signal": 15,
        "signal_name": "SIGTERM",
        "target_pid": init.pid,
        "target_tid": init.pid,
        "target_ns_pid": 1,
        "target_comm": "app",
        "nsid": nsid(init),
        "ns_level": 1,
        "is_init": True,
        "relation": "ancestor",
        "sender_pid": None,
        "generate": "dropped_at_generate",
        "deliver": None,
        "effect": "none",
        "waits_for": "",
        "afterwards": None,
        "dropped": True,
        "certain": True,
        "doubt": "",
        "caveat": "",
        "passed_to": [],
        "outcome": "dropped: kill(2) reports success, and the process never hears of it",
        "reason": "it is the init of its PID namespace and has no handler for SIGTERM: the kernel discards it",
        "kernel": "sig_task_ignored()",
        "container_id": "",
        "container_name": "",
        "runtime": "",
        "image": "",
        "pod": "",
        "pod_namespace": "",
        "container_stop_signal": "",
        "container_claims": "",
        "facts": {
            "is_init": True,
            "disposition": "default",
            "default_action": "terminate",
            "blocked": 0,
            "threads": 1,
            "awaited": False,
            "signalfd": False,
            "pending": False,
            "handled": [],
            "traced_by": None,
            "state": "S",
            "frozen": "",
            "kernel_thread": False,
        },
    }


def test_a_blocked_signal_is_pending_now_and_dropped_later(init: Actor) -> None:
    init(f"block({TERM})")
    found = answer("--signal", "TERM", "--pid", str(init.pid))
    assert (found["effect"], found["afterwards"], found["dropped"]) == (
        "pending",
        "dropped_at_deliver",
        False,
    )
    assert found["outcome"] == "pending, and nobody acts on it for now; then dropped"
    assert sigtrace("explain", "--signal", "TERM", "--pid", str(init.pid)).stdout.splitlines()[3:6] == [
        "  rule   it blocks SIGTERM, and no thread of it waits for the signal",
        "         kernel/signal.c: sig_ignored()",
        "  later  once unblocked: it is the init of its PID namespace and has no handler",
    ]


def test_sigkill_is_dropped_from_inside_and_kills_from_outside(init: Actor) -> None:
    inside = answer("--signal", "KILL", "--pid", str(init.pid), "--from", "inside")
    assert (inside["dropped"], inside["relation"]) == (True, "same")
    assert inside["advice"] == [f"send SIGKILL from outside: kill -KILL {init.pid} in a namespace above"]
    assert answer("--signal", "KILL", "--pid", str(init.pid), "--from", "outside")["effect"] == "terminate"


def test_the_relation_is_worked_out_from_the_senders_pid(stage: Stage) -> None:
    outer, beside = stage.namespace(), stage.namespace()
    inner = outer.member().namespace()
    member = inner.member()
    relations = {
        (member, inner.init): "same",
        (inner.init, inner.init): "self",
        (outer.init, inner.init): "ancestor",
        (stage.outside, inner.init): "ancestor",
        (inner.init, outer.init): "descendant",
        (inner.init, stage.outside): "descendant",
        (beside.init, inner.init): "other",
    }
    for (sender, target), relation in relations.items():
        found = answer("--signal", "KILL", "--pid", str(target.pid), "--from", str(sender.pid))
        assert (found["relation"], found["sender_pid"]) == (relation, sender.pid)
        assert (found["generate"] is None) == (relation in ("descendant", "other"))


def test_the_number_of_a_thread_is_said_to_be_one(init: Actor) -> None:
    init(f"thread([{TERM}])")
    (thread,) = {int(tid) for tid in os.listdir(f"/proc/{init.pid}/task")} - {init.pid}
    lines = sigtrace("explain", "--signal", "TERM", "--pid", str(thread)).stdout.splitlines()
    assert lines[0] == f"SIGTERM to PID {init.pid} (app), from outside its PID namespace:"
    assert (
        lines[1] == "  not certain; most likely the process ends"
    )  # kernels differ in that, see docs/kernel.md
    (note,) = (line for line in lines if line.startswith("  note"))
    assert note.startswith(
        f"  note   {thread} is a thread of {init.pid}: the signal is for the whole process"
    )


def test_a_process_of_our_own_namespace_is_signalled_from_inside_by_default(stage: Stage) -> None:
    found = answer("--signal", "TERM", "--pid", str(stage.outside.pid))
    assert (found["relation"], found["effect"]) == ("same", "terminate")


def test_nothing_is_sent(init: Actor) -> None:
    init.set("handler", TERM)
    answer("--signal", "TERM", "--pid", str(init.pid))
    assert init.caught() == []


# Containers ------------------------------------------------------------------------------------------


def test_a_container_is_explained_by_its_name_and_its_own_stop_signal(init: Actor) -> None:
    init.set("handler", TERM)
    with dockerlike(init.pid, "sigtrace-web", "nginx:1.25", "SIGQUIT") as container:
        done = sigtrace("explain", "--container", "sigtrace-web", env=container.env)
        told = answer("--container", "sigtrace-web", "--signal", "TERM", env=container.env)
        same = answer("--pid", str(init.pid), env=container.env)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line for line in done.stdout.splitlines() if "command:" not in line]
    assert lines == [
        f"SIGQUIT to PID {init.pid} (app), from outside its PID namespace:",
        "  dropped: kill(2) reports success, and the process never hears of it",
        "",
        "  rule   it is the init of its PID namespace and has no handler for SIGQUIT:",
        "           the kernel discards it",
        "         kernel/signal.c: sig_task_ignored()",
        f"  facts  init of PID namespace {nsid(init)}",
        "         container: sigtrace-web (nginx:1.25, docker)",
        "         its own stop signal: SIGQUIT",
        "         action for SIGQUIT: default (core)",
        "         blocked: no; sigtimedwait: no; signalfd: no",
        "         handlers: TERM",
        "         state S",
        "  fix    it does take SIGTERM: if it ends on that, make it the stop signal",
        "           (STOPSIGNAL in the image, or docker run --stop-signal)",
        "         install a handler for SIGQUIT in the program, before it starts its",
        "           work",
        "         run a small init as PID 1: docker run --init (compose: init: true), or",
        "           tini or catatonit in the image",
        "         behind a small init the program is not PID 1: SIGHUP, SIGINT, SIGUSR1,",
        "           SIGUSR2, SIGPIPE and SIGALRM, which are dropped now, then end it as",
        "           well",
    ]
    assert (told["signal_name"], told["effect"], told["container_stop_signal"]) == (
        "SIGTERM",
        "handler",
        "SIGQUIT",
    )
    assert (same["signal_name"], same["target_pid"]) == ("SIGQUIT", init.pid)
    keys = ("container_id", "container_name", "runtime", "image", "pod", "pod_namespace")
    assert [same[key] for key in keys] == [container.id, "sigtrace-web", "docker", "nginx:1.25", "", ""]


def test_whoever_is_not_the_containers_init_is_not_asked_by_its_stop_signal(stage: Stage) -> None:
    outer = stage.namespace()
    worker = outer.member()
    nested = outer.member().namespace().init
    with dockerlike(outer.init.pid, "sigtrace-web", stop_signal="SIGQUIT") as container:
        container.join(worker.pid, nested.pid)
        for process in (worker, nested):
            found = answer("--pid", str(process.pid), env=container.env)
            assert (found["signal_name"], found["container_name"]) == ("SIGTERM", "sigtrace-web")
            shown = sigtrace("explain", "--pid", str(process.pid), env=container.env).stdout
            assert "inside container: sigtrace-web (docker)" in shown
            assert "its own stop signal" not in shown
        assert answer("--container", "sigtrace-web", env=container.env)["target_pid"] == outer.init.pid


@pytest.mark.parametrize(
    ("container", "fix"),
    [
        (Container("1" * 64, "x", "podman"), "podman run --init, or tini"),
        (Container("1" * 64, "x", "containerd", pod="p", pod_namespace="n"), "shareProcessNamespace: true"),
        (Container("1" * 64, "x", "cri-o", pod="p", pod_namespace="n"), "shareProcessNamespace: true"),
        (Container("1" * 64, "x", "podman", pod="p"), "podman run --init"),
        (Container("x", "x", "crun"), "first in process.args of config.json"),
        (Container("x", "x", "nspawn"), "tini or catatonit in the machine"),
        (Container("x", "x", "lxc"), "lxc.init.cmd"),
    ],
)
def test_the_fix_is_said_in_the_words_of_the_runtime(container: Container, fix: str) -> None:
    target = Target(7, threads=(Thread(7),), unkillable=True, ns_pid=1, level=1)
    prediction = predict(target, TERM, "ancestor")
    request = StopRequest(TERM, "default", container)
    told = Explanation(TERM, target, (), "ancestor", None, prediction, request=request)
    assert fix in " ".join("\n".join(_lines(told)).split())
    nested = Explanation(
        TERM, target, (), "ancestor", None, prediction, request=StopRequest(TERM, "default", container, True)
    )
    assert fix not in " ".join("\n".join(_lines(nested)).split())


def test_hostile_names_of_containers_are_harmless() -> None:
    evil = Container("\x1b", "\x1b]0;x\x07\u202e" * 20, "docker", "a\nb" * 50, stop_signal="\x1b[2J")
    target = Target(7, threads=(Thread(7),), unkillable=True, ns_pid=1, level=1)
    told = Explanation(
        TERM,
        target,
        (),
        "ancestor",
        None,
        predict(target, TERM, "ancestor"),
        request=StopRequest(container=evil),
    )
    shown = "\n".join(_lines(told))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", shown)
    assert max(map(len, shown.splitlines())) < 80


# What it advises -------------------------------------------------------------------------------------


def advised(signal: int, **facts: object) -> str:
    blocked = facts.pop("blocked", 0)
    threads = (Thread(7, facts.get("state", "S"), blocked, awaited=facts.pop("awaited", 0)),)
    target = Target(7, threads=threads, **({"unkillable": True, "ns_pid": 1, "level": 1} | facts))
    prediction = predict(target, signal, "ancestor")
    return "\n".join(_lines(Explanation(signal, target, (), "ancestor", None, prediction))).partition("fix ")[
        2
    ]


def test_a_shell_as_pid_1_is_advised_the_exec_form() -> None:
    assert "ENTRYPOINT" in advised(TERM, comm="sh")
    assert "ENTRYPOINT" not in advised(TERM, comm="python3")


@pytest.mark.parametrize("way", ["caught", "awaited"])
def test_a_signal_that_it_takes_is_offered_as_the_stop_signal(way: str) -> None:
    assert "it does take SIGQUIT" in " ".join(advised(TERM, **{way: mask([3, USR1, 17])}).split())


def test_what_is_no_drop_gets_no_fix_for_one() -> None:
    assert advised(TERM, caught=mask([TERM])) == ""
    assert "kill -CONT 7" in advised(TERM, unkillable=False, state="T")


@pytest.mark.parametrize(
    ("signal", "habit"), [(1, "nohup does"), (INT, "a shell's & does"), (TERM, "a shell: trap '' TERM")]
)
def test_an_ignored_signal_is_explained_by_who_may_have_ignored_it(signal: int, habit: str) -> None:
    shown = " ".join(advised(signal, ignored=mask([signal]), caught=mask([3])).split())
    assert f"set SIG_IGN for {signals.name(signal)} ({habit}): remove that" in shown
    assert "it does take SIGQUIT: if it ends on that, make it the STOPSIGNAL" in shown
    assert "--init does not help" in shown
    assert "--init" not in advised(signal, ignored=mask([signal]), unkillable=False)


def test_a_blocked_signal_of_an_init_is_to_be_unblocked_first() -> None:
    shown = advised(TERM, blocked=mask([TERM])).split("\n")
    assert shown[0].strip().startswith("unblock SIGTERM in the program, and install a handler")
    assert "the handler alone does not help" in " ".join(" ".join(shown).split())
    assert "--init" not in "".join(shown)


def test_the_hosts_own_init_gets_no_advice_about_containers() -> None:
    for signal in (TERM, KILL):
        assert advised(signal, global_init=True, level=0, comm="systemd", caught=mask([INT])) == ""
    assert "docker" not in advised(TERM, global_init=True, level=0, ignored=mask([TERM]))
    assert "STOPSIGNAL" not in advised(
        TERM, global_init=True, level=0, ignored=mask([TERM]), caught=mask([1])
    )


def test_a_script_is_a_shell_by_its_interpreter() -> None:
    target = Target(7, "entrypoint.sh", (Thread(7),), unkillable=True, ns_pid=1, level=1)
    told = Explanation(
        TERM, target, ("/bin/sh", "/entrypoint.sh"), "ancestor", None, predict(target, TERM, "same")
    )
    assert "PID 1 is a shell" in "\n".join(_lines(told))


def test_the_script_of_a_package_is_not_to_be_edited() -> None:
    target = Target(
        7,
        "rabbitmq-server",
        (Thread(7),),
        unkillable=True,
        ns_pid=1,
        level=1,
        shell="bash",
        children=(Relative(8, "beam.smp"),),
    )
    words = ("sh", "/usr/sbin/rabbitmq-server")
    told = Explanation(TERM, target, words, "ancestor", None, predict(target, TERM, "ancestor"))
    shown = " ".join("\n".join(_lines(told)).split())
    assert (
        "the script of a package, which starts beam.smp[8] and waits for it: start that program itself"
        in shown
    )
    assert "by its own command, inside the container" in shown
    assert "the stop is quick then, but beam.smp[8] is killed unasked" in shown
    assert "exec" not in shown


def test_a_shell_that_waits_for_its_command_is_said_to_delay_its_trap() -> None:
    target = Target(
        7,
        "bash",
        (Thread(7),),
        caught=mask([TERM]),
        unkillable=True,
        ns_pid=1,
        shell="bash",
        children=(Relative(8, "app"),),
    )
    told = Explanation(TERM, target, (), "ancestor", None, predict(target, TERM, "ancestor"))
    shown = "\n".join(_lines(told))
    assert (
        "note the shell most likely runs its trap only when its foreground command app[8] has ended"
        in " ".join(shown.split())
    )
    assert "  fix    end its script with exec, or run the program in the background" in shown


@pytest.mark.parametrize(
    ("facts", "note"),
    [
        ({"caught": mask([TERM])}, "its own choice: it stops if its handler for SIGTERM ends it"),
        ({"signalfd": mask([TERM])}, "its own choice: it stops if it reads its signalfd and ends"),
        ({"awaited": mask([TERM])}, "its own choice: it stops if it ends on it, or its child does"),
        ({}, ""),
    ],
)
def test_what_the_program_makes_of_a_signal_is_said_to_be_its_choice(
    facts: dict[str, int], note: str
) -> None:
    thread = Thread(7, blocked=facts.get("signalfd", 0), awaited=facts.pop("awaited", 0))
    target = Target(7, "app", (thread,), unkillable=True, ns_pid=1, **facts)
    told = Explanation(TERM, target, (), "ancestor", None, predict(target, TERM, "ancestor"))
    assert told.as_dict()["caveat"] == note
    assert note in " ".join("\n".join(_lines(told)).split())


def test_the_c_librarys_own_handlers_are_left_out() -> None:
    target = Target(7, "java", (Thread(7),), caught=mask([2, 32, 33, 34]), unkillable=True)
    told = Explanation(TERM, target, (), "ancestor", None, predict(target, TERM, "same"))
    assert "  handlers: INT, RTMIN" in "\n".join(_lines(told))
    assert facts(told)["handled"] == ["SIGINT", "SIGRTMIN"]


def test_what_is_killed_and_frozen_is_to_be_thawed() -> None:
    threads = (Thread(7, "D", pending=mask([KILL])),)
    target = Target(7, "app", threads, unkillable=True, ns_pid=1, level=1, frozen="v1", state="D")
    told = Explanation(TERM, target, (), "ancestor", None, predict(target, TERM, "ancestor"))
    assert told.prediction.reason == "killed already: it ends once thawed (cgroup v1)"
    assert [each[:15] for each in told.as_dict()["advice"]] == ["thaw its cgroup"]


def test_hostile_names_and_command_lines_are_harmless() -> None:
    target = Target(7, "\x1b]0;x\x07", (Thread(7),), unkillable=True)
    explanation = Explanation(
        TERM, target, ("a\nb", "\x1b[2J", "\u202e"), "ancestor", None, predict(target, TERM, "same")
    )
    shown = "\n".join(_lines(explanation))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", shown)
    assert "command: a\\nb \\x1b[2J \\u202e" in shown
    assert max(map(len, shown.splitlines())) < 80


# Bad input -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--signal TREM --pid 1", "unknown signal 'TREM': did you mean TERM?"),
        ("--signal TERM --pid 4194303", "there is no process 4194303 here: it has ended, or never existed"),
        ("--signal TERM --pid {} --from host", "'host' is not a sender: use inside, outside or a PID"),
        ("--signal TERM", "no target given: use --container, --pod or --pid"),
        (
            "--pid 1 --container web-1",
            "--pid already names the target: give either --pid, or --container and --pod",
        ),
        ("--signal TERM --pid 0", "0 is not a PID: a PID is 1 or more"),
        ("--signal TERM --pid {} --from 0", "0 is not a PID: a PID is 1 or more"),
        (
            "--signal TERM --pid {} --from 4194303",
            "there is no process 4194303 here: it has ended, or never existed",
        ),
    ],
)
def test_bad_input_is_one_sentence(words: str, sentence: str) -> None:
    done = sigtrace("explain", *words.format(os.getpid()).split())
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"sigtrace: {sentence}\n")


def test_there_is_no_outside_of_the_initial_namespace() -> None:
    inode = os.stat("/proc/self/ns/pid").st_ino
    require(inode == 4026531836, "initial-namespace", "these tests run in a container")
    done = sigtrace("explain", "--signal", "TERM", "--pid", str(os.getpid()), "--from", "outside")
    assert done.returncode == 2
    assert "lives in the initial PID namespace, which has no outside" in done.stderr


def test_the_library_gives_the_same_answer(init: Actor) -> None:
    printed = answer("--signal", "TERM", "--pid", str(init.pid))
    assert explain(TERM, init.pid).as_dict() == explain("TERM", init.pid).as_dict() == printed
    for wrong in ("TREM", 0, 65):
        with pytest.raises(BadInput, match="unknown signal"):
            explain(wrong, init.pid)
