"""One signal to one process: what is asked, and the facts that the answer rests on."""

from __future__ import annotations

from dataclasses import dataclass

from sigtrace.containers.stop_signal import StopRequest
from sigtrace.events.container import Container
from sigtrace.predict.kernel_rules import Prediction, Relation, Target
from sigtrace.procfs.zap import Remaining

_NO_CONTAINER = StopRequest()


@dataclass(frozen=True)
class Question:
    """A signal, its target and its sender, and what the kernel's rules make of them."""

    signal: int
    target: Target
    cmdline: tuple[str, ...]
    """Empty when it could not be read."""
    relation: Relation
    sender_pid: int | None
    """None for "inside" and "outside"."""
    prediction: Prediction
    remaining: tuple[Remaining, ...] = ()
    """The processes that an ended init waits for."""
    request: StopRequest = _NO_CONTAINER
    """The container the target lives in, and how its runtime stops it."""

    @property
    def own(self) -> Container | None:
        """The container whose init the target is; None for any other process."""
        return None if self.request.nested else self.request.container
