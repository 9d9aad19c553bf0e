"""Every experiment, in the order a reader should meet them, and how they are carried out."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sigtrace.errors import BadInput, CannotTrace
from sigtrace.lab import lifetimes, protection, visibility
from sigtrace.lab.channel import NoNamespaces, StageFailed
from sigtrace.lab.experiment import Experiment, Lab, Outcome, Recorder
from sigtrace.lab.stage import Stage

EXPERIMENTS: tuple[Experiment, ...] = (
    protection.term_no_handler,
    protection.term_handler,
    protection.kill_inside,
    protection.from_parent,
    protection.sigcgt_predicts,
    lifetimes.init_death,
    lifetimes.dead_namespace,
    lifetimes.orphans_zombies,
    visibility.nested,
    visibility.no_way_up,
    visibility.proc_remount,
    visibility.unshare_setns,
    visibility.from_root,
)

NO_NAMESPACE = 0
"""No PID namespace has this inode."""


def choose(name: str) -> Sequence[Experiment]:
    """The experiment of that name, or all of them for "all". Raises BadInput with the nearest name."""
    if name == "all":
        return EXPERIMENTS
    names = [experiment.name for experiment in EXPERIMENTS]
    if name in names:
        return (EXPERIMENTS[names.index(name)],)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]}?" if near else "`sigtrace lab --list` names them all."
    raise BadInput(f"no experiment is called {name!r}: {hint}")


@contextmanager
def recording() -> Iterator[tuple[Recorder | None, str]]:
    """A recorder, watching nothing yet, while the block runs; or None, and why there is none."""
    from sigtrace.live.collector import Collector

    live = Collector(ns=[NO_NAMESPACE], scope="all")
    try:
        live.__enter__()
    except CannotTrace as err:
        yield None, str(err)
        return
    with live:
        yield Recorder(live), ""


def run(experiment: Experiment, recorder: Recorder | None) -> Outcome:
    """Carry out one experiment on a stage of its own; what goes wrong is in the outcome.

    Raises NoNamespaces where none can be carried out at all.
    """
    with Stage() as stage:
        lab = Lab(stage, recorder)
        error = skipped = ""
        try:
            experiment.run(lab)
        except NoNamespaces:
            raise
        except PermissionError as err:
            skipped = f"takes root: {err.strerror}"
        except (StageFailed, OSError, LookupError) as err:
            error = f"{type(err).__name__}: {err}" if not isinstance(err, StageFailed) else str(err)
    return Outcome(experiment, tuple(lab.checks), error, skipped)
