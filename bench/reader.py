"""A reader that only adds up: what `sigtrace` costs before anything is printed or stored. Run as a child.

python -m bench.reader ring|every|floor   until SIGINT; then one JSON object: events that the records stand for, counts
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import TYPE_CHECKING

from sigtrace.events import wire

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


def ring(every_record: bool = False) -> dict[str, object]:
    """Everything `watch` does but print: records into batches, batches into totals by verdict."""
    from sigtrace import Collector
    from sigtrace.events.verdict import VERDICTS

    with Collector(every_record=every_record) as live:
        signal.signal(signal.SIGINT, lambda *_: live.stop())
        import numpy as np

        totals = np.zeros(len(VERDICTS))
        for batch in live:
            totals += np.bincount(batch.verdicts, batch.weights, len(VERDICTS))
        counted = _by_namespace(live.counts().records)
        return {"read": int(totals.sum()), "lost": live.losses().lost, "counted": counted}


def every() -> dict[str, object]:
    """The same without thinning."""
    return ring(every_record=True)


def _by_namespace(counts: npt.NDArray[np.void]) -> dict[int, int]:
    """Signals generated, by the inode of the target's namespace."""
    import numpy as np

    generated = counts[counts["stage"] == wire.STAGE["generate"]]
    inodes, where = np.unique(generated["nsid"], return_inverse=True)
    totals = np.bincount(where, generated["count"]).astype(int)
    return dict(zip(inodes.tolist(), totals.tolist(), strict=True))


def floor() -> dict[str, object]:
    """The least a BTF tracepoint program can cost: one that returns at once."""
    from sigtrace.doctor.probes import NOTHING
    from sigtrace.live.kernel import syscall
    from sigtrace.live.kernel.btf import Btf, kernel_facts

    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    identity = kernel_facts(Btf.of_running_kernel()).tracepoint_ids["on_generate"]
    link = syscall.raw_tracepoint_open(syscall.prog_load(NOTHING, "floor", identity), None)
    signal.sigwait({signal.SIGINT})
    os.close(link)
    return {"read": 0, "lost": 0, "counted": {}}


if __name__ == "__main__":
    print(json.dumps({"ring": ring, "every": every, "floor": floor}[sys.argv[1]]()))
