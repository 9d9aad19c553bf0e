"""The stop signal that a container is configured with: SIGQUIT for nginx, SIGRTMIN+3 for systemd."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sigtrace import signals
from sigtrace.errors import BadInput
from sigtrace.events.batch import Batch
from sigtrace.events.container import Container


def own_stop_signal(container: Container | None) -> int:
    """Return the configured stop signal of a container; -1 if it is the default, SIGTERM, or not known."""
    try:
        return signals.parse(container.stop_signal) if container and container.stop_signal else -1
    except BadInput:  # the text comes from a runtime's file, and need not be a signal
        return -1


def own_stop_signals(batch: Batch) -> npt.NDArray[np.int64]:
    """Return the `own_stop_signal` of the container of each record: shape (n,), int64."""
    homes = batch.residents
    numbers = [own_stop_signal(each) for each in homes.containers]
    found: npt.NDArray[np.int64] = np.array(numbers, "i8")[homes.codes]
    return found
