"""What fingers type: plain words, short options, aliases and near misses, on real namespaces and a recording."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sigtrace._version import __version__
from sigtrace.lab.actor import Namespace
from sigtrace.lab.stage import Stage
from tests.builders.stories import WEB, recorded_stop
from tests.commands import at_work, sigtrace
from tests.conftest import require
from tests.containers import Dockerlike, dockerlike

NAME, POD = "sigtrace-forms-1", "shop/checkout-7d4f"


@dataclass(frozen=True)
class Host:
    """Two namespaces: the container NAME, and a container in POD."""

    web: Namespace
    app: Namespace
    known: Dockerlike

    def run(self, *words: str, code: int = 0) -> str:
        done = sigtrace(*words, env=self.known.env)
        assert done.returncode == code, done.stderr
        return done.stdout if code in (0, 3) else done.stderr

    def rows(self, *words: str, code: int = 0) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.run(*words, code=code).splitlines()]


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    require(os.geteuid() == 0, "kernel", "PID namespaces need root")
    with Stage() as stage:
        web, app = stage.namespace(), stage.namespace()
        with dockerlike(web.init.pid, name=NAME, image="nginx:1.25") as known:
            known.docker.adopt(app.init.pid, known.docker.create("app", "checkout:2", "", POD))
            yield Host(web, app, known)


def refused(*words: str) -> str:
    """The last line of what is said to a misuse."""
    done = sigtrace(*words)
    assert (done.returncode, done.stdout) == (2, "")
    return done.stderr.splitlines()[-1]


# Targets as plain words -------------------------------------------------------------------------------


def test_scan_takes_a_container_a_pod_a_pid_and_an_inode(host: Host) -> None:
    web, app = host.web.inode, host.app.inode
    for words, inodes in {
        (NAME,): {web},
        (POD,): {app},
        ("checkout-7d4f",): {app},
        ("shop/*", "sigtrace-forms-*"): {web, app},
        (str(host.web.init.pid),): {web},
        (str(web), "-c", "shop/checkout-7d4f"): {web, app},
        (f"/proc/{host.app.init.pid}/ns/pid",): {app},
        ("-n", str(web), "-p", str(host.app.init.pid)): {web, app},
    }.items():
        assert {row["nsid"] for row in host.rows("scan", "--json", *words)} == inodes, words


def test_explain_takes_a_container_a_pod_a_pid_and_an_inode(host: Host) -> None:
    web, app = host.web.init.pid, host.app.init.pid
    for word, pid in {NAME: web, POD: app, str(web): web, str(host.app.inode): app}.items():
        (row,) = host.rows("explain", word, "-s", "INT", "-o", "json")
        assert (row["target_pid"], row["signal_name"]) == (pid, "SIGINT")


def test_explain_takes_one_target(host: Host) -> None:
    assert "already names the target" in host.run("explain", NAME, "-p", "1", code=2)


@pytest.mark.kernel
def test_watch_follows_a_container_that_stands_as_a_plain_word(host: Host) -> None:
    with at_work(
        "watch", NAME, "-s", "TERM", "--json", env=host.known.env, output=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        for pid in (host.app.init.pid, host.web.init.pid):
            os.kill(pid, 15)
        assert json.loads(process.stdout.readline())["nsid"] == host.web.inode


@pytest.mark.kernel
def test_top_shows_a_container_that_stands_as_a_plain_word(host: Host) -> None:
    rows = host.rows("top", POD, "--once", "--json", "--interval", "200ms")
    assert [row["nsid"] for row in rows] == [host.app.inode]


@pytest.mark.kernel
def test_a_postmortem_without_a_recording_is_of_the_container_as_it_is_now(host: Host) -> None:
    text = sigtrace("postmortem", NAME, "--listen", "100ms", env=host.known.env).stdout
    assert str(host.web.inode) in text
    assert NAME in text


def test_a_postmortem_of_a_recording_takes_the_container_behind_it(tmp_path: Path) -> None:
    recorded_stop(tmp_path / "made")
    name = str(WEB["container_name"])
    done = sigtrace("postmortem", str(tmp_path / "made"), name, "--json")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert {row["container_name"] for row in rows} == {name}
    by_option = sigtrace("postmortem", str(tmp_path / "made"), "-c", name, "--json")
    assert done.stdout == by_option.stdout


def test_a_word_that_is_neither_a_recording_nor_a_container_is_told_as_that() -> None:
    assert "there is no recording of this name either" in refused("postmortem", "no-such-thing")
    assert "is not a directory" in refused("postmortem", "/no/such/directory")


# Short options, formats -------------------------------------------------------------------------------


def test_json_has_three_spellings_and_one_meaning(host: Host) -> None:
    first, *others = (
        [{**row, "age_seconds": 0} for row in host.rows("scan", NAME, *words)]
        for words in (("--format", "json"), ("-o", "json"), ("--json",))
    )
    assert all(other == first for other in others)


def test_json_and_another_format_exclude_each_other(tmp_path: Path) -> None:
    said = refused("summary", str(tmp_path), "--json", "-o", "csv")
    assert said == "sigtrace: --json and --format csv exclude each other: give one."


@pytest.mark.kernel
def test_a_watches_all(host: Host) -> None:
    with at_work("watch", "-a", "-n", str(host.web.inode), "-o", "json", output=subprocess.PIPE) as process:
        assert process.stdout is not None
        os.kill(host.web.init.pid, 18)
        assert json.loads(process.stdout.readline())["signal_name"] == "SIGCONT"


# Aliases and near misses ------------------------------------------------------------------------------


def test_ps_is_scan(host: Host) -> None:
    assert [row["nsid"] for row in host.rows("ps", NAME, "--json")] == [host.web.inode]


def test_help_and_version_are_words_too() -> None:
    assert sigtrace("help").stdout == sigtrace("--help").stdout
    assert sigtrace("help", "ps").stdout == sigtrace("scan", "--help").stdout
    assert sigtrace("version").stdout == f"sigtrace {__version__}\n"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("scna", "scan"), ("wacth", "watch"), ("post-mortem", "postmortem"), ("explian", "explain")],
)
def test_a_mistyped_command_gets_its_nearest_name(typed: str, meant: str) -> None:
    assert refused(typed) == f"Error: No such command '{typed}'. Did you mean '{meant}'?"


def test_a_command_that_is_like_none_is_answered_with_where_to_look() -> None:
    assert refused("zzzz") == "Error: No such command 'zzzz'. `sigtrace --help` lists all."


def test_a_mistyped_option_gets_its_nearest_name() -> None:
    assert "'--container'" in refused("scan", "--contaner", "web-1")
    assert "'--json'" in refused("watch", "--jsn")
