"""podman or docker, whichever is there: their commands have the same words where it matters here."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sigtrace import signals
from sigtrace.errors import BadInput, SigtraceError
from sigtrace.text import printable, shorten

ENGINES = ("podman", "docker")


@dataclass(frozen=True)
class ImageConfig:
    """What an image says of how it is run and stopped (its OCI configuration)."""

    stop_signal: int = signals.TERM
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()


@dataclass(frozen=True)
class Engine:
    """One of ENGINES, as found in PATH."""

    name: str

    def config(self, image: str, pull: bool = True) -> ImageConfig | None:
        """Return an image's configuration; pull it if it is not here. None: not here, and not to be pulled.

        Raises BadInput if it cannot be had.
        """
        done = self._run("image", "inspect", image)
        if done.returncode != 0:
            if not pull:
                return None
            pulled = self._run("pull", image)
            done = self._run("image", "inspect", image)
            if done.returncode != 0:
                why = _last_line(pulled.stderr or done.stderr)
                raise BadInput(f"{self.name} has no image {printable(image)}, and cannot pull it: {why}")
        return _config(json.loads(done.stdout)[0].get("Config") or {})

    def pid(self, container: str) -> int:
        """Return the PID of a container's init as the engine knows it; 0: it does not run."""
        done = self._run("inspect", "--format", "{{.State.Pid}}", container)
        text = done.stdout.strip()
        return int(text) if done.returncode == 0 and text.isdigit() else 0

    def kill(self, container: str, number: int) -> None:
        """Send a signal to a container's init."""
        self._run("kill", "--signal", str(number), container)

    def remove(self, container: str) -> None:
        """Kill and forget a container, with its volumes; one that is not there is fine."""
        self._run(*self.removal(container)[1:])

    def removal(self, container: str) -> tuple[str, ...]:
        """Return the command that does that; podman would give the container time to end."""
        at_once = ("--time=0",) if self.name == "podman" else ()
        return (self.name, "rm", "--force", "--volumes", *at_once, container)

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.name, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="backslashreplace",
            check=False,
        )


def find(chosen: str | None, images: Sequence[str]) -> Engine:
    """Return the engine to use: the chosen one, else the first that is here and has one of the images.

    Raises SigtraceError if there is none.
    """
    here = [Engine(name) for name in ENGINES if shutil.which(name) and chosen in (None, name)]
    if not here:
        missing = chosen or " nor ".join(ENGINES)
        raise SigtraceError(
            f"{'neither ' if not chosen else ''}{missing} is in PATH: images need one of them."
        )
    if len(here) > 1:
        for engine in here:
            if any(engine.config(image, pull=False) for image in images):
                return engine
    return here[0]


def _config(config: Mapping[str, Any]) -> ImageConfig:
    """Parse the configuration that `image inspect` prints. An unknown stop signal is SIGTERM, as for runtimes."""
    try:
        number = signals.parse(str(config.get("StopSignal") or signals.TERM))
    except BadInput:
        number = signals.TERM
    return ImageConfig(number, _words(config.get("Entrypoint")), _words(config.get("Cmd")))


def _words(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(map(str, value)) if isinstance(value, list) else ()


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return shorten(lines[-1].strip(), 200) if lines else "it does not say why"
