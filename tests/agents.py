"""A `sigtrace agent` as people start it, with its metrics, its words and what it tells a service manager."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.commands import COMMAND
from tests.patience import patient


class Running:
    """A `sigtrace agent` that is ready."""

    def __init__(
        self, process: subprocess.Popen[str], config: Path, port: int, notified: socket.socket
    ) -> None:
        self.process, self.config, self.port, self.notified = process, config, port, notified

    def metrics(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        """Every sample of a scrape."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=patient(30)) as answer:
            families = text_string_to_metric_families(answer.read().decode())
            return {
                (sample.name, frozenset(sample.labels.items())): sample.value
                for family in families
                for sample in family.samples
            }

    def value(self, name: str, **labels: str) -> float | None:
        """The sum of the samples with this name and at least these labels; None without any."""
        found = [
            value
            for (each, said), value in self.metrics().items()
            if each == name and labels.items() <= dict(said).items()
        ]
        return sum(found) if found else None

    def says(self, text: str) -> None:
        """Wait until it says something with this text."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if text in line:
                return
        raise AssertionError(f"it ended without saying {text!r}")

    def end(self) -> int:
        """End it as a service manager does. Returns its exit code; what it said is printed."""
        self.process.send_signal(signal.SIGTERM)
        _, said = self.process.communicate(timeout=patient(20))
        print(said)
        return self.process.returncode


@contextmanager
def agent(where: Path, settings: str = "", env: dict[str, str] | None = None) -> Iterator[Running]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = where / "agent.toml"
    config.write_text(
        f'[record]\ndirectory = "{where}/made"\n[metrics]\nlisten = "127.0.0.1:{port}"\n{settings}'
    )
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind(str(where / "notify"))
        notified.settimeout(patient(30))
        process = subprocess.Popen(
            [*COMMAND, "agent", "--config", str(config)],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "NOTIFY_SOCKET": str(where / "notify"), **(env or {})},
        )
        running = Running(process, config, port, notified)
        try:
            running.says("ready")
            yield running
        finally:
            process.kill()
            process.communicate()
