"""What programs do all the time without a stop or a fault: mark it, so that a live view can leave it out.

A pure function of the columns of the records. Nothing of this is a request to stop, or the loss of one:

- SIGCHLD that the kernel sends to a parent (`do_notify_parent()`, `do_notify_parent_cldstop()`: `code` is CLD_*).
- SIGURG that a process sends to a thread of its own with tgkill(2): the Go runtime preempts its threads with it.
- SIGKILL at `deliver` of a thread that ends because its process does, or runs a new program (`zap_other_threads()`,
  `de_thread()`): nobody sent it, and the end of the process is a record of its own.
- The end of a process that is no init and exits with code 0.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from sigtrace import signals
from sigtrace.events import wire

_SI_TKILL = -6
_CLD = (1, 6)
"""CLD_EXITED to CLD_CONTINUED (`include/uapi/asm-generic/siginfo.h`)."""


def is_routine(records: npt.NDArray[np.void], asked: Iterable[int] = ()) -> npt.NDArray[np.bool_]:
    """Mark such records: shape (n,) of wire events in, (n,) of bool out. asked: signals of which none is."""
    signal, stage, code = records["signal"], records["stage"], records["code"]
    at, deliver = wire.STAGE, stage == wire.STAGE["deliver"]
    sent = deliver | (stage == at["generate"])
    child = sent & (signal == signals.CHLD) & (code >= _CLD[0]) & (code <= _CLD[1])
    own = deliver | (records["relation"] == wire.RELATION["self"])
    preempts = sent & (signal == signals.URG) & (code == _SI_TKILL) & own
    exiting = (records["flags"] & wire.FLAG["exiting"]) != 0
    nobody = (records["relation"] == wire.RELATION["kernel"]) & (code == 0)
    thread_ends = deliver & (signal == signals.KILL) & (exiting | nobody)
    init = (records["flags"] & wire.FLAG["init"]) != 0
    ends = (stage == at["exit"]) & (records["exit_code"] == 0) & ~init
    by_signal = child | preempts | thread_ends
    if wanted := list(asked):
        by_signal &= ~np.isin(signal, wanted)
    routine: npt.NDArray[np.bool_] = by_signal | ends
    return routine
