"""The recordings that the notebooks start from: made now, on this kernel, or those that ship with the notebooks."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from sigtrace.errors import BadInput, CannotTrace, SigtraceError
from sigtrace.lab.channel import StageFailed
from sigtrace.lab.scenarios import incidents
from sigtrace.notebook.overview import overview
from sigtrace.notebook.table import text
from sigtrace.recording.reader import Recording, open_recording

CHOICE = "SIGTRACE_NOTEBOOK"
"""The environment variable: `live` or `shipped`; by default live if that is possible."""

_IN_CHECKOUT = Path(__file__).parents[2] / "notebooks" / "recordings"


@dataclass(frozen=True)
class Staged:
    """A recording, and its origin."""

    recording: Recording
    live: bool
    """Whether it was made now."""
    origin: str
    """Its origin, in one or two sentences."""

    def _repr_html_(self) -> str:
        return f"<p>{text(self.origin, 600)}</p>{overview(self.recording)}"


def stage_a_stop(grace: float = 3.0) -> Staged:
    """Stop two containers, `without-handler` and `with-handler`, with a grace period of `grace` seconds.

    This takes the grace period and a few seconds. If this process may not trace, or the environment variable
    SIGTRACE_NOTEBOOK is `shipped`, the recording that ships with the notebooks is returned; if it is `live`,
    CannotTrace or StageFailed is raised instead. The same holds for the other recordings.
    """
    return _staged("stop", lambda directory: incidents.stop(directory, grace))


def stage_an_incident(grace: float = 3.0) -> Staged:
    """Stop `web-1`, which hangs in spite of a `kill -9 1` inside, and `web-2`, which does not."""
    return _staged("incident", lambda directory: incidents.incident(directory, grace))


def stage_a_fleet(grace: float = 2.0) -> Staged:
    """Deploy to two hosts of fifteen containers each; both hosts are this machine, one after the other."""
    return _staged("fleet", lambda directory: incidents.fleet(directory, grace))


def choice() -> str:
    """Return the value of SIGTRACE_NOTEBOOK: `live`, `shipped` or empty. Raises BadInput for anything else."""
    wanted = os.environ.get(CHOICE, "")
    if wanted not in ("", "live", "shipped"):
        raise BadInput(f"{CHOICE} is {wanted!r}: set it to live or shipped, or not at all.")
    return wanted


def shipped(name: str) -> Path:
    """Return the path of a file that ships with the notebooks. Raises BadInput if it is missing."""
    places = [Path.cwd() / "recordings" / name, _IN_CHECKOUT / name]
    found = next((place for place in places if place.exists()), None)
    if found is None:
        raise BadInput(
            f"{places[0]} does not exist: run the notebook in its own directory, which has recordings/."
        )
    return found


def _staged(name: str, play: Callable[[Path], None]) -> Staged:
    wanted = choice()
    if wanted == "shipped":
        return _shipped(name, f"{CHOICE} asks for it.")
    directory = Path(tempfile.mkdtemp(prefix="sigtrace-"))
    try:
        play(directory)
        recording = _opened(directory)
    except BaseException as err:
        shutil.rmtree(directory, ignore_errors=True)
        if wanted == "live" or not isinstance(err, (CannotTrace, StageFailed, OSError)):
            raise
        return _shipped(name, f"It cannot be recorded again here: {_sentence(err)}")
    weakref.finalize(recording, shutil.rmtree, directory, ignore_errors=True)
    return Staged(recording, True, f"Recorded just now, on this kernel (Linux {os.uname().release}).")


def _shipped(name: str, why: str) -> Staged:
    recording = _opened(shipped(name))
    began = min(segment["began"] for each in recording.manifests for segment in each["segments"].values())
    day = f"{_day(began)}, on Linux {recording.manifest['kernel']}"
    return Staged(recording, False, f"This recording ships with the notebooks; it was made on {day}. {why}")


def _opened(directory: Path) -> Recording:
    """Open a recording, or those of several hosts, each in a subdirectory."""
    hosts = sorted(path for path in directory.iterdir() if path.is_dir())
    return open_recording(hosts or [directory])


def _day(time: int) -> str:
    return f"{pd.Timestamp(time):%Y-%m-%d}"


def _sentence(err: BaseException) -> str:
    message = str(err) if isinstance(err, SigtraceError) else f"{type(err).__name__}: {err}"
    return f"{message.rstrip('.')}."
