"""`sigtrace postmortem --container` and `--pod`, on recordings made by hand."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from sigtrace.cli import cli
from sigtrace.errors import BadInput
from sigtrace.events.container import Container
from sigtrace.recording.schema import NAMESPACES, container_row
from tests.builders.recordings import RUN, UTC, Made, another
from tests.builders.records import record
from tests.builders.stories import NSID, SECOND, stop

WEB = Container("d" * 64, "web-1", "docker", "nginx:1.27", stop_signal="SIGQUIT")
AGAIN = Container("e" * 64, "web-1", "docker", "nginx:1.28")
SANDBOX = Container("a" * 64, "POD", "containerd", "pause:3", "checkout-7d4f", "shop")
APP = Container("b" * 64, "app", "containerd", "shop:3", "checkout-7d4f", "shop")
SIDE = Container("c" * 64, "sidecar", "containerd", "envoy:1", "checkout-7d4f", "shop")
LONE = Container("f" * 64, "job", "containerd", "job:1", "nightly-1", "batch")


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, ["postmortem", *words])


def life(nsid: int, start: int, pid: int, container: Container | None, level: int = 1) -> dict[str, Any]:
    """A row of the namespaces table: born `start` seconds after the boot."""
    about = {"time": UTC, "nsid": nsid, "ns_start": start * SECOND, "ns_level": level, "init_pid": pid}
    return {**about, "born": UTC + start * SECOND, **container_row(container)}


@pytest.fixture
def directory(tmp_path: Path) -> str:
    """web-1, started three times, at last with a namespace inside it; a pod of three, a pod of one; no container."""
    made = Made(tmp_path / "one")
    lives = [
        *(life(NSID, 100, 4242, WEB), life(NSID + 1, 300, 4300, WEB), life(NSID + 2, 500, 4400, AGAIN)),
        *(
            life(NSID + 3, 510, 4500, AGAIN, 2),
            life(NSID + 10, 600, 5000, SANDBOX),
            life(NSID + 11, 601, 5001, APP),
        ),
        *(
            life(NSID + 12, 602, 5002, SIDE),
            life(NSID + 20, 700, 6000, LONE),
            life(NSID + 30, 800, 7000, None),
        ),
    ]
    made.writer.rows("namespaces", NAMESPACES, lives)
    for row in lives:
        made.add(*stop(row["nsid"], row["init_pid"], row["ns_start"], 10 if row["nsid"] < NSID + 10 else 30))
    made.close()
    return str(tmp_path / "one")


def at(second: float) -> str:
    return str(np.datetime_as_string(np.datetime64(UTC + int(second * SECOND), "ns"), unit="ms"))


@pytest.mark.parametrize("word", ["web-1", "eee", "e" * 64, "web-*"])
def test_a_container_started_several_times_means_the_last_and_says_so(directory: str, word: str) -> None:
    done = run(directory, "--container", word)
    assert done.exit_code == 3
    assert "web-1 (docker, image nginx:1.28), PID namespace 4026532251, init app[4400]" in done.output
    known = "3 times web-1 was started: this is the last; for another, use one of"
    assert (known in done.output) == (not word.startswith("e"))


def test_the_times_it_was_started_are_listed_as_at_takes_them(directory: str) -> None:
    listed = re.findall(r"--at (\S+) \(started (\S+)\)", run(directory, "--container", "web-1").output)
    assert [started[:19] for _, started in listed] == [at(300)[:19], at(100)[:19]]
    for moment, pid in zip((moment for moment, _ in listed), (4300, 4242), strict=True):
        told = run(directory, "--container", "web-1", "--at", moment).output
        assert f"init app[{pid}]" in told
        assert f"app[{pid}] killed by SIGKILL" in told


def test_a_last_start_of_which_there_is_nothing_to_tell_gives_way_to_the_one_before(tmp_path: Path) -> None:
    made = Made(tmp_path / "one")
    lives = [life(NSID, 100, 4242, WEB), life(NSID + 1, 300, 4300, WEB)]
    made.writer.rows("namespaces", NAMESPACES, lives)
    about = {"nsid": NSID + 1, "ns_start": 300 * SECOND, "ns_level": 1, "target_pid": 4300}
    about |= {"target_start": 300 * SECOND, "target_comm": b"app", "target_ns_pid": 1}
    born = record(**about, time=300 * SECOND, stage="init", signal=0, result=-1)
    made.add(*stop(NSID, 4242, 100 * SECOND), born)
    made.close()
    done = run(str(tmp_path / "one"), "--container", "web-1")
    assert "init app[4242]" in done.output
    assert "this is the last that was asked to stop or has findings" in done.output
    assert re.findall(r"\(started (.{19})", done.output) == [at(300)[:19]]


def test_an_earlier_life_is_the_one_at_that_time(directory: str) -> None:
    done = run(directory, "--container", "web-1", "--at", at(350))
    assert "web-1 (docker, image nginx:1.27), PID namespace 4026532250, init app[4300]" in done.output
    assert "started" not in done.output


def test_findings_have_the_container_and_its_stop(directory: str) -> None:
    done = run(directory, "--container", "web-1", "--at", at(150), "--format", "json")
    (found,) = [json.loads(line) for line in done.output.splitlines()]
    names = ("container_id", "container_name", "runtime", "image", "pod", "pod_namespace")
    assert tuple(found[name] for name in names) == WEB.columns
    assert (found["nsid"], found["stop"]["by"], found["stop"]["grace_seconds"]) == (NSID, "runc", 10)


def test_a_pod_with_several_containers_is_a_list_without_its_sandbox(directory: str) -> None:
    done = run(directory, "--pod", "shop/checkout-7d4f")
    assert done.output.splitlines() == [
        "NAMESPACE  CONTAINER          ASKED   OUTCOME              WHY",
        "4026532260 …checkout-7d4f/app TERM    killed after 30 s    dropped-at-generate",
        "4026532261 …kout-7d4f/sidecar TERM    killed after 30 s    dropped-at-generate",
        "",
        "2 PID namespaces, 2 with findings.",
    ]


@pytest.mark.parametrize(
    "words",
    [("--pod", "batch/nightly-1"), ("--pod", "nightly-*"), ("--container", "job", "--pod", "batch/*")],
)
def test_a_pod_with_one_container_is_its_story(directory: str, words: tuple[str, ...]) -> None:
    done = run(directory, *words)
    assert done.output.startswith("batch/nightly-1/job (containerd, image job:1), PID namespace 4026532269")


def test_a_sandbox_is_looked_at_when_it_is_asked_for(directory: str) -> None:
    done = run(directory, "--pod", "shop/checkout-7d4f", "--container", "POD")
    assert done.output.startswith(
        "shop/checkout-7d4f/POD (containerd, image pause:3), PID namespace 4026532259"
    )


def test_the_list_of_all_has_names_where_they_are_known_within_80_columns(directory: str) -> None:
    lines = run(directory).output.splitlines()
    assert len(lines) == 1 + 9 + 2
    assert "4026532269 …tch/nightly-1/job TERM    killed after 30 s    dropped-at-generate" in lines
    assert "4026532279 app[7000]          TERM    killed after 30 s    dropped-at-generate" in lines
    assert max(map(len, lines)) < 80


def test_a_container_on_two_hosts_is_two_lines(directory: str, tmp_path: Path) -> None:
    made = Made(tmp_path / "two", another(host="web-2", boot_id="c" * 32, run="r2"))
    made.writer.rows("namespaces", NAMESPACES, [life(NSID, 100, 4242, WEB)])
    made.add(*stop(grace=3))
    made.close()
    done = run(directory, str(tmp_path / "two"), "--container", "web-1", "--format", "json")
    found = [json.loads(line) for line in done.output.splitlines()]
    assert [(each["host"], each["nsid"]) for each in found] == [(RUN.host, NSID + 2), ("web-2", NSID)]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--container", "web-2"), "did you mean web-1?"),
        (("--pod", "shop/checkout"), "did you mean shop/checkout-7d4f?"),
        (("--container", "web-1", "--ns", "4242"), "use either --ns, or --container and --pod"),
        (("--container", "web-1", "--at", at(50)), "had been started by then"),
    ],
)
def test_what_means_nothing_is_refused_in_a_sentence(
    directory: str, words: tuple[str, ...], sentence: str
) -> None:
    done = run(directory, *words)
    assert isinstance(done.exception, BadInput)
    assert sentence in str(done.exception)


@pytest.mark.kernel
def test_an_unknown_container_of_this_host_is_refused() -> None:
    done = run("--live", "--container", "no-such-container")
    assert isinstance(done.exception, BadInput)
    assert "no container here is called 'no-such-container'" in str(done.exception)
