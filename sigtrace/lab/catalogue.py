"""The list of experiments, in the order in which to read them, and the function that runs one."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sigtrace.errors import BadInput, CannotTrace
from sigtrace.lab import lifetimes, protection, visibility
from sigtrace.lab.channel import NoNamespaces, StageFailed
from sigtrace.lab.experiment import Experiment, ExperimentOutcome, Lab, LabRecorder
from sigtrace.lab.stage import Stage
from sigtrace.live.collector import Collector

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
"""An inode that no PID namespace has: the filter selects nothing yet."""


def choose(name: str) -> Sequence[Experiment]:
    """Return the experiment of that name, or all for "all". Raises BadInput, with a similar name."""
    if name == "all":
        return EXPERIMENTS
    names = [experiment.name for experiment in EXPERIMENTS]
    if name in names:
        return (EXPERIMENTS[names.index(name)],)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]}?" if near else "`sigtrace lab --list` lists them all."
    raise BadInput(f"no experiment is called {name!r}: {hint}")


@contextmanager
def recording() -> Iterator[tuple[LabRecorder | None, str]]:
    """Yield a recorder, which records nothing yet, or None and the reason."""
    live = Collector(ns=[NO_NAMESPACE], scope="all")
    try:
        live.__enter__()
    except CannotTrace as err:
        yield None, str(err)
        return
    with live:
        yield LabRecorder(live), ""


def run(experiment: Experiment, recorder: LabRecorder | None) -> ExperimentOutcome:
    """Run one experiment on its own stage. Errors are in the outcome, except NoNamespaces, which is raised.

    That one means that no experiment can run here.
    """
    with Stage() as stage:
        lab = Lab(stage, recorder)
        error = skipped = ""
        try:
            experiment.run(lab)
        except NoNamespaces:
            raise
        except PermissionError as err:
            skipped = f"needs root: {err.strerror}"
        except (StageFailed, OSError, LookupError) as err:
            error = f"{type(err).__name__}: {err}" if not isinstance(err, StageFailed) else str(err)
    return ExperimentOutcome(experiment, tuple(lab.checks), error, skipped)
