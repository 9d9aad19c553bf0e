"""From a dropped signal to an alert: the agent, a real Prometheus with our rules, Alertmanager, and its webhook."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from sigtrace.lab.stage import Stage
from tests.agents import agent
from tests.conftest import require
from tests.containers import dockerlike
from tests.patience import patient, until
from tests.receiver import receiving

pytestmark = pytest.mark.kernel

DEPLOY = Path(__file__).parents[2] / "deploy"


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@contextmanager
def service(where: Path, *words: str) -> Iterator[None]:
    process = subprocess.Popen(
        words, cwd=where, stdout=subprocess.DEVNULL, stderr=(where / f"{Path(words[0]).name}.log").open("w")
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()


class Monitoring:
    """Prometheus and Alertmanager, watching one agent."""

    def __init__(self, where: Path, target: int, webhook: str) -> None:
        self.port, manager = free_port(), free_port()
        (where / "prometheus.yml").write_text(
            json.dumps(  # which is YAML too
                {
                    "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                    "rule_files": [str(DEPLOY / "prometheus" / "sigtrace.rules.yml")],
                    "alerting": {
                        "alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{manager}"]}]}]
                    },
                    "scrape_configs": [
                        {"job_name": "sigtrace", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}
                    ],
                }
            )
        )
        (where / "alertmanager.yml").write_text(
            json.dumps(
                {
                    "route": {
                        "receiver": "hook",
                        "group_wait": "1s",
                        "group_interval": "1s",
                        "group_by": ["..."],
                    },
                    "receivers": [{"name": "hook", "webhook_configs": [{"url": webhook}]}],
                }
            )
        )
        self.services = (
            (
                "prometheus",
                *("--config.file=prometheus.yml", "--storage.tsdb.path=data"),
                f"--web.listen-address=127.0.0.1:{self.port}",
            ),
            (
                "prometheus-alertmanager",
                *("--config.file=alertmanager.yml", "--storage.path=alerts", "--cluster.listen-address="),
                f"--web.listen-address=127.0.0.1:{manager}",
            ),
        )

    def query(self, expression: str) -> list[dict[str, Any]]:
        """What Prometheus answers; fails if it refuses the expression."""
        query = urllib.parse.urlencode({"query": expression})
        url = f"http://127.0.0.1:{self.port}/api/v1/query?{query}"
        with urllib.request.urlopen(url, timeout=patient(30)) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
            return found

    def is_up(self) -> bool:
        try:
            return bool(self.query("up == 1"))
        except OSError:
            return False


@pytest.fixture
def programs() -> None:
    for name in ("prometheus", "prometheus-alertmanager", "promtool"):
        require(shutil.which(name), "programs", f"no {name} here")


@pytest.mark.usefixtures("programs")
def test_a_container_that_hangs_raises_an_alert_with_its_cause_and_what_to_do(tmp_path: Path) -> None:
    with ExitStack() as stack:
        receiver = stack.enter_context(receiving())
        stage = stack.enter_context(Stage())
        init, other = stage.namespace().init, stage.namespace().init
        init("name('app')")
        web = stack.enter_context(dockerlike(init.pid, name="web-1", image="nginx:1.25"))
        running = stack.enter_context(agent(tmp_path, env=web.env))
        monitoring = Monitoring(tmp_path, running.port, receiver.url)
        for words in monitoring.services:
            stack.enter_context(service(tmp_path, *words))
        until(monitoring.is_up)
        for number in (signal.SIGTERM, signal.SIGKILL):
            os.kill(other.pid, number)
        os.kill(init.pid, signal.SIGTERM)
        deadline = time.monotonic() + patient(15)
        while True:
            found = [each for each in receiver.next()["alerts"] if each["labels"].get("container") == "web-1"]
            assert time.monotonic() < deadline
            if found:
                break
        alert = found[0]
        assert alert["labels"]["alertname"] == "SigtraceStopSignalDropped"
        said = alert["annotations"]
        assert re.fullmatch(r"web-1 on \S+ does not stop: the kernel dropped SIGTERM", said["summary"])
        assert "no handler for SIGTERM" in said["cause"]
        assert "sigtrace explain web-1" in said["advice"]
        _every_panel_has_data(monitoring)
        os.kill(init.pid, signal.SIGKILL)
        while not any(each["status"] == "resolved" for each in receiver.next()["alerts"]):
            pass


_EMPTY = ("Without a living PID 1, and cannot end",)
"""Panels that have nothing to show as long as all is well."""


def _every_panel_has_data(monitoring: Monitoring) -> None:
    board = json.loads((DEPLOY / "grafana" / "sigtrace.json").read_text())
    for panel in board["panels"]:
        for target in panel["targets"]:
            query = target["expr"].replace("$__rate_interval", "1m").replace("$instance", ".*")
            if panel["title"] in _EMPTY:
                monitoring.query(query)
            else:
                until(lambda query=query: monitoring.query(query))  # type: ignore[misc]


@pytest.mark.usefixtures("programs")
def test_the_rules_do_what_their_own_tests_say() -> None:
    done = subprocess.run(
        ["promtool", "test", "rules", "sigtrace.rules.test.yml"],
        cwd=DEPLOY / "prometheus",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_metric_in_rules_and_dashboard_is_one_of_the_agent(tmp_path: Path) -> None:
    """A misspelt one would be an expression that is valid, and never true."""
    with (
        agent(tmp_path) as running,
        urllib.request.urlopen(f"http://127.0.0.1:{running.port}/metrics") as answer,
    ):
        known = set(re.findall(r"^# TYPE (\S+)", answer.read().decode(), re.M))
    for path in (DEPLOY / "prometheus" / "sigtrace.rules.yml", DEPLOY / "grafana" / "sigtrace.json"):
        used = set(re.findall(r"\b(?:sigtrace|process)_\w+", path.read_text()))
        assert {re.sub("_(bucket|count|sum)$", "", name) for name in used} <= known, path
