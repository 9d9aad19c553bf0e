"""`sigtrace scan` on real namespaces: all that it prints, and its exit codes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sigtrace.errors import BadInput
from sigtrace.lab.actor import Actor
from sigtrace.lab.stage import Stage
from sigtrace.predict.scan import scan as look
from sigtrace.procfs import process
from tests.commands import nsid, sigtrace
from tests.conftest import require
from tests.containers import dockerlike


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


def shown(text: str, *actors: Actor) -> list[str]:
    """The lines without the numbers of this run, and with single blanks."""
    return [re.sub(r"\[ ", "[", re.sub(r" +", " ", line)) for line in normal(text, *actors).splitlines()]


def test_the_tree_shows_real_namespaces_as_they_nest(inits: tuple[Actor, Actor]) -> None:
    outer, inner = inits
    done = sigtrace("scan", "--all", "--ns", str(outer.pid), "--ns", f"pid:[{nsid(inner)}]")
    assert (done.returncode, done.stderr) == (0, "")
    assert shown(done.stdout, outer, inner)[:-1] == [
        "PID NAMESPACE INIT COMMAND AGE TASKS TERM INT HUP QUIT",
        "4026532001 1 outer 0s 3 drop drop drop drop",
        "│ waits for KILL: no handler for SIGTERM, so the kernel drops it",
        "└─4026532002 2 inner 0s 1 drop handle drop drop",
        " waits for KILL: no handler for SIGTERM, so the kernel drops it (it does take",
        " SIGINT)",
        "",
        "2 of 2 PID namespaces would not stop on their signal.",
    ]


def test_a_namespace_that_is_named_is_listed_though_it_is_no_containers(inits: tuple[Actor, Actor]) -> None:
    _, inner = inits
    done = sigtrace("scan", "--ns", str(inner.pid), "--fail-on", "hang")
    assert (done.returncode, done.stderr) == (3, "")
    assert shown(done.stdout, inner) == [
        "ON A STOP CONTAINER",
        "waits for KILL PID namespace 4026532001",
        " no handler for SIGTERM, so the kernel drops it (it does take",
        " SIGINT)",
        " inner[1], 0s old; TERM HUP QUIT: drop; INT: handle",
        "",
        "1 of 1 PID namespace would not stop on its signal.",
        "`sigtrace explain 1` says why, and what to do.",
    ]


def test_namespaces_of_no_container_are_counted_below_and_fail_nothing(inits: tuple[Actor, Actor]) -> None:
    with dockerlike(inits[0].pid, "sigtrace-web") as container:
        inits[0].set("handler", signal.SIGTERM)
        done = sigtrace("scan", "--container", "sigtrace-web", "--fail-on", "unknown", env=container.env)
        whole = sigtrace("scan", env=container.env).stdout
    assert done.returncode == 0
    assert str(nsid(inits[1])) not in whole
    assert re.search(r"^Not listed: .*PID namespaces? of no container \(", whole, re.M)
    assert "initial namespace" not in whole


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
    inner.set("handler", signal.SIGTERM)
    with dockerlike(outer.pid, "sigtrace-web", "nginx:1.25", "SIGQUIT") as container:
        assert inner.parent is not None
        container.join(inner.parent.pid, inner.pid)
        done = sigtrace("scan", "--container", "sigtrace-web", "--fail-on", "hang", env=container.env)
        command = re.search(r"`(sigtrace explain .*)`", done.stdout)
        assert command
        explained = sigtrace(*command[1].split()[1:], env=container.env)
        tree = sigtrace("scan", "--all", "--container", "sigtrace-web", env=container.env)
        lines = sigtrace("scan", "--container", container.id[:7], "--format", "json", env=container.env)
    assert (done.returncode, done.stderr) == (3, "")
    assert shown(done.stdout, outer, inner) == [
        "ON A STOP CONTAINER",
        "waits for KILL sigtrace-web (nginx:1.25, docker)",
        " no handler for SIGQUIT, so the kernel drops it; SIGQUIT is its",
        " own stop signal",
        " outer[1], 0s old; TERM INT HUP QUIT: drop",
        "",
        "Not listed: 1 inside containers or pods (inner); `sigtrace scan --all` shows",
        "them.",
        "1 of 1 container would not stop on its signal.",
        "`sigtrace explain sigtrace-web` says why, and what to do.",
    ]
    assert explained.stdout.startswith(f"SIGQUIT to PID {outer.pid} (outer), from outside")
    assert shown(tree.stdout, outer, inner)[1:6] == [
        "sigtrace-web (nginx:1.25, docker)",
        "4026532001 1 outer 0s 3 drop drop drop drop",
        "│ waits for KILL: no handler for SIGQUIT, so the kernel drops it; SIGQUIT is its",
        "│ own stop signal",
        "└─4026532002 2 inner 0s 1 handle handle drop drop",
    ]
    keys = ("nsid", "container_id", "container_name", "runtime", "image", "container_nested", "stop_signal")
    found = [
        tuple(json.loads(line)[key] for key in (*keys, "stop_signal_from"))
        for line in lines.stdout.splitlines()
    ]
    named = (container.id, "sigtrace-web", "docker", "nginx:1.25")
    assert found == [
        (nsid(outer), *named, False, "SIGQUIT", "container"),
        (nsid(inner), *named, True, "SIGTERM", "default"),
    ]


def test_a_container_whose_runtimes_files_are_elsewhere_cant_be_told(inits: tuple[Actor, Actor]) -> None:
    outer, inner = inits
    with dockerlike(outer.pid, "sigtrace-web") as container:
        named = sigtrace("scan", "--ns", str(outer.pid), env=container.env)
        unread = sigtrace("scan", "--ns", str(outer.pid), env={"SIGTRACE_ROOTS": ""})
        explained = sigtrace("explain", str(outer.pid), env={"SIGTRACE_ROOTS": ""})
    assert named.stderr == ""
    assert "waits for KILL  sigtrace-web" in named.stdout
    assert f"can't be told   {container.id[:12]} (docker)" in unread.stdout
    assert unread.stderr == (
        "sigtrace: the stop signal of 1 container is not known: the files of its runtime are not where sigtrace looks; "
        "SIGTRACE_ROOTS says where (docs/containers.md)\n"
    )
    assert "its own stop signal: not known" in explained.stdout
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
    script = "import os, shutil, sys\nfrom sigtrace.predict import explain, overview, scan\n"
    script += "from sigtrace.cli import main, scan, scan_summary, tree, wrapping\n"
    script += "os.setgroups([]); os.setgid(65534); os.setuid(65534)\nsys.argv = ['sigtrace', 'scan', '--all']\nmain()"
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
