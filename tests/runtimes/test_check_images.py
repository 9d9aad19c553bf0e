"""`sigtrace check --image` on images that podman builds here, and on one of docker's; nothing is left of them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.commands import NOBODY
from tests.conftest import require
from tests.patience import patient
from tests.runtimes.docker import Docker
from tests.runtimes.images import BASE, IMAGES, RUN, Built
from tests.runtimes.podman import PodmanRunc
from tests.runtimes.runtime import Runtime

pytestmark = [pytest.mark.kernel, pytest.mark.runtimes, pytest.mark.timeout(300)]

CHECK = (sys.executable, "-m", "sigtrace", "check")
_LINKS = {"bin": "usr/bin", "sbin": "usr/sbin", "lib": "usr/lib", "lib64": "usr/lib64"}
_DIRECTORIES = ("usr", "etc", "tmp", "dev", "proc", "sys", "run")
_RUN_ARGS = [word for option in RUN for word in ("--run-arg", option)]


def base(where: Path) -> Path:
    """A root file system whose programs are those of a volume at /usr."""
    archive = where / "base.tar"
    with tarfile.open(archive, "w") as tar:
        for name in _DIRECTORIES:
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        for name, target in _LINKS.items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            tar.addfile(entry)
    return archive


@pytest.fixture(scope="module")
def podman(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PodmanRunc]:
    """podman on a host of its own, with all images."""
    driver = PodmanRunc("hybrid", files)
    why = driver.available()
    require(not why, "runtimes", why)
    with driver:
        driver.podman("import", base(tmp_path_factory.mktemp("base")), BASE)
        for image in IMAGES:
            context = driver.host.root / "run" / image.name
            context.mkdir()
            (context / "Dockerfile").write_text(f"FROM {BASE}\n{image.lines}\n")
            driver.podman("build", "--quiet", f"--tag=localhost/{image.name}", f"/run/{image.name}")
        yield driver


def check(driver: Runtime, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `sigtrace check` on the driver's host."""
    env = driver.host.environment(CONTAINERS_CONF="/run/containers.conf")
    return driver.host.run(*CHECK, *words, check=False, timeout=patient(120), env=env)


def rows(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert done.stdout, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def containers(driver: PodmanRunc) -> str:
    return driver.podman("ps", "--all", "--quiet").stdout


@pytest.fixture(scope="module")
def checked(podman: PodmanRunc) -> Mapping[str, subprocess.CompletedProcess[str]]:
    """All images are checked, several at a time."""

    def one(image: Built) -> subprocess.CompletedProcess[str]:
        options = [word for option in image.options for word in ("--run-arg", option)]
        where = ("--image", f"localhost/{image.name}", "--runtime", "podman")
        return check(podman, "--json", "--quick", "--grace", "3s", *where, *_RUN_ARGS, *options)

    with ThreadPoolExecutor(len(IMAGES)) as pool:
        done = dict(zip([image.name for image in IMAGES], pool.map(one, IMAGES), strict=True))
    assert containers(podman) == ""
    return done


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image.name)
def test_an_image_is_told_right_from_wrong(
    image: Built, checked: Mapping[str, subprocess.CompletedProcess[str]]
) -> None:
    require(not image.needs or Path(image.needs).exists(), "programs", f"{image.needs} is not installed")
    (row,) = rows(checked[image.name])
    causes = [problem["cause"] for problem in row["problems"] if problem["severity"] == "error"]
    assert row["signal"] == image.signal
    assert row["as_predicted"] is True
    assert row["evidence_from"] == "kernel"
    result = (checked[image.name].returncode, row["exit_code"], causes)
    assert result == ((3, 137, [image.cause]) if image.cause else (0, image.code, [])), row


def test_all_runs_and_other_words_than_the_images_own(podman: PodmanRunc) -> None:
    words = ("sh", "-c", "trap 'exit 4' TERM; echo ready; while :; do sleep 0.1; done")
    where = ("--image", "localhost/no-handler", "--ready", "ready")
    done = check(podman, *where, *_RUN_ARGS, "--", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PASSES    stops in " in done.stdout
    assert "exit 4 after SIGTERM reads as a failure" in done.stdout
    assert containers(podman) == ""


def test_an_image_or_a_program_that_is_not_there(podman: PodmanRunc) -> None:
    done = check(podman, "--image", "localhost/no-such", "--runtime", "podman")
    assert done.returncode == 2
    assert done.stderr.startswith("sigtrace: podman has no image localhost/no-such, and cannot pull it: ")
    where = ("--image", "localhost/no-handler", "--runtime", "podman")
    done = check(podman, *where, *_RUN_ARGS, "--", "no-such-program")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no-such-program" in done.stderr
    assert containers(podman) == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_no_container_outlives_it(number: int, podman: PodmanRunc) -> None:
    env = podman.host.environment(CONTAINERS_CONF="/run/containers.conf")
    where = (
        "--image",
        "localhost/no-handler",
        "--runtime",
        "podman",
        "--ready",
        "1h",
        "--ready-within",
        "1h",
    )
    process = podman.host.spawn(*CHECK, *where, *_RUN_ARGS, env=env)
    deadline = time.monotonic() + patient(60)
    while not podman.podman("ps", "--quiet").stdout:
        assert time.monotonic() < deadline
        assert process.poll() is None
    process.send_signal(number)
    process.wait(patient(60))
    while containers(podman):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_docker_does_as_well(files: Path) -> None:
    driver = Docker("hybrid", files)
    why = driver.available()
    require(not why, "runtimes", why)
    with driver:
        words = ("--image", driver.image, "--runtime", "docker", "--quick", "--grace", "2s", "--json")
        network = ("--run-arg", "--network=none")
        (row,) = rows(check(driver, *words, *network, "--", "sleep", "1000"))
        assert (row["result"], row["exit_code"], row["as_predicted"]) == ("fails", 137, True)
        (row,) = rows(check(driver, *words, *network, "--run-arg", "--init", "--", "sleep", "1000"))
        assert (row["result"], row["exit_code"], row["as_predicted"]) == ("passes", 143, True)
        driver.host.run("chmod", "666", "/run/docker.sock")
        done = driver.host.run(
            *NOBODY, *CHECK, *words, *network, "--", "sleep", "1000", check=False, timeout=patient(120)
        )
        (row,) = rows(done)  # as a user of the docker group: signals go through docker
        assert (row["result"], row["exit_code"], row["evidence_from"]) == ("fails", 137, "proc")
        assert "has no handler for SIGTERM" in row["problems"][0]["because"]
        elsewhere = ("unshare", "--pid", "--fork", "--mount-proc", *CHECK)
        done = driver.host.run(
            *elsewhere, *words, *network, "--", "sleep", "1000", check=False, timeout=patient(120)
        )
        (row,) = rows(done)  # where it does not see the engine's processes
        assert (row["result"], row["exit_code"], row["predicted"]) == ("fails", 137, "can't be told")
        assert driver.host.run("docker", "ps", "--all", "--quiet").stdout == ""


def test_the_containers_of_a_manifest_and_of_a_compose_file(podman: PodmanRunc) -> None:
    trap = "trap 'exit 0' TERM; echo $WHO; while :; do sleep 0.1; done"
    manifest = {
        "kind": "Pod",
        "spec": {
            "terminationGracePeriodSeconds": 3,
            "containers": [
                {"name": "deaf", "image": "localhost/no-handler"},
                {
                    "name": "fine",
                    "image": "localhost/no-handler",
                    "command": ["sh", "-c", trap],
                    "env": [{"name": "WHO", "value": "me"}],
                },
            ],
        },
    }
    compose = {
        "services": {
            "quits": {"image": "localhost/stopsignal"},
            "deaf": {"image": "localhost/stopsignal", "stop_signal": "SIGHUP", "stop_grace_period": "2s"},
            "init": {"image": "localhost/no-handler", "init": True},
        }
    }
    for name, content in (("pod.yaml", manifest), ("compose.yaml", compose)):
        (podman.host.root / "run" / name).write_text(json.dumps(content))
    options = ("--json", "--quick", "--runtime", "podman", *_RUN_ARGS)
    done = check(podman, *options, "--pod", "/run/pod.yaml")
    deaf, fine = rows(done)
    assert done.returncode == 3
    assert (deaf["subject"], deaf["result"], deaf["grace_seconds"]) == ("deaf: sleep 1000", "fails", 3)
    assert (fine["result"], fine["exit_code"], fine["output"]) == ("passes", 0, ["me"])
    quits, deaf, init = rows(check(podman, *options, "--compose", "/run/compose.yaml"))
    assert (quits["result"], quits["signal"]) == ("passes", "SIGQUIT")
    assert (deaf["result"], deaf["signal"], deaf["grace_seconds"]) == ("fails", "SIGHUP", 2)
    assert (init["result"], init["exit_code"]) == ("passes", 143)
    assert containers(podman) == ""
