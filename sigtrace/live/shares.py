"""Share room for records among PID namespaces when it gets scarce, so that a noisy one does not take that of others."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sigtrace.events.groups import ranks
from sigtrace.events.nskey import NsKey


def firsts(records: npt.NDArray[np.void], most: int) -> npt.NDArray[np.bool_]:
    """Mark the first `most` records of each PID namespace: shape (n,)."""
    keys, which = NsKey.from_records(records["nsid"], records["ns_start"])
    marked: npt.NDArray[np.bool_] = ranks(which, len(keys))[0] < most
    return marked
