"""What is to be checked, and how: from what a user asks for to subjects with their plans."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from sigtrace.check import engine as engines
from sigtrace.check import pod_file
from sigtrace.check.command import Command
from sigtrace.check.image import Image, Wanted
from sigtrace.check.plan import Plan
from sigtrace.check.subject import Subject
from sigtrace.errors import BadInput
from sigtrace.signals import TERM

GRACE = 10.0
"""Seconds, where neither the user nor a file says it: that of docker and podman."""


@dataclass(frozen=True)
class Asked:
    """What a user asks for."""

    words: tuple[str, ...] = ()
    image: str | None = None
    file: str | None = None
    """A Kubernetes manifest or a compose file."""
    runtime: str | None = None
    run_args: tuple[str, ...] = ()
    signal: int | None = None
    """None: the container's own, else SIGTERM."""
    grace: float | None = None
    """None: that of the file, else GRACE."""
    plan: Plan = field(default_factory=Plan)
    """All else."""


def subjects(asked: Asked) -> Iterator[tuple[Subject, Plan]]:
    """Yield what is to be checked. Raises BadInput for what cannot be, SigtraceError if this host lacks an engine."""
    if asked.image and asked.file:
        raise BadInput("give either --image or --pod.")
    if asked.file and asked.words:
        raise BadInput("the file says what its containers run: leave the command out.")
    if not (asked.image or asked.file):
        if not asked.words:
            raise BadInput(
                "name the command to check: sigtrace check -- COMMAND...; or an image: --image REF."
            )
        if asked.runtime or asked.run_args:
            raise BadInput("--runtime and --run-arg are for images: give --image or --pod too.")
        plan = replace(asked.plan, signal=asked.signal or TERM, grace=_first(asked.grace, GRACE))
        yield Command(asked.words), plan
        return
    listed = pod_file.read(asked.file) if asked.file else [_one(asked)]
    engine = engines.find(asked.runtime, [each.wanted.image for each in listed])
    for each in listed:
        config = engine.config(each.wanted.image)
        assert config is not None
        wanted = replace(each.wanted, options=(*each.wanted.options, *asked.run_args))
        plan = replace(
            asked.plan,
            signal=asked.signal or each.signal or config.stop_signal,
            grace=_first(asked.grace, each.grace),
            uncovered=each.uncovered,
        )
        yield Image(wanted, engine, config), plan


def _one(asked: Asked) -> pod_file.Listed:
    return pod_file.Listed(Wanted(asked.image or "", asked.words), GRACE)


def _first(given: float | None, default: float) -> float:
    return default if given is None else given
