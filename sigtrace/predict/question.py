"""One signal to one process: the question, and the facts behind the answer."""

from __future__ import annotations

from dataclasses import dataclass

from sigtrace.containers.stop_signal import StopRequest
from sigtrace.events.container import Container
from sigtrace.predict.kernel_rules import Prediction, Relation, Target
from sigtrace.predict.passing import Step
from sigtrace.procfs.remaining import Remaining

_NO_CONTAINER = StopRequest()


@dataclass(frozen=True)
class Question:
    """A signal, its target and its sender, and the prediction for them."""

    signal: int
    target: Target
    cmdline: tuple[str, ...]
    """Empty if it could not be read."""
    relation: Relation
    sender_pid: int | None
    """None for "inside" and "outside"."""
    prediction: Prediction
    remaining: tuple[Remaining, ...] = ()
    """The processes that an exiting init waits for."""
    request: StopRequest = _NO_CONTAINER
    """The target's container, and its stop signal."""
    followed: Step | None = None
    """Where the signal goes from the target; None: nowhere."""

    @property
    def step(self) -> Step:
        """The signal at its target, and where it goes from there."""
        return self.followed or Step(self.target, self.signal, self.prediction)

    @property
    def own(self) -> Container | None:
        """The container whose init the target is; None for any other process."""
        return None if self.request.nested else self.request.container
