"""A process in uninterruptible sleep (NFS, FUSE, a disk that does not answer) does not act even on SIGKILL."""

from __future__ import annotations

from collections.abc import Iterator

from sigtrace.postmortem.case import Case
from sigtrace.postmortem.cause import Cause
from sigtrace.postmortem.finding import Finding
from sigtrace.postmortem.survivors import ending, held, why_gone
from sigtrace.text import printable


def check(case: Case) -> Iterator[Finding]:
    """Report survivors in state D."""
    survivors, end = held(case, "uninterruptible"), ending(case)
    if not survivors or end is None:
        return
    first = survivors[0].task
    more = f" and {len(survivors) - 1} more" if len(survivors) > 1 else ""
    yield Finding(
        "survivor-uninterruptible",
        case.nsid,
        "error",
        "certain",
        f"The namespace cannot end: {first.name}{more} sleeps uninterruptibly"
        + (f" in {printable(first.wchan)}" if first.wchan not in ("", "0") else "")
        + " and cannot be killed.",
        why_gone(end)
        + tuple(end.snapshot.line(str(s.task)) for s in survivors[:5])
        + (
            (end.snapshot.line(f"stack of {first.name}: {' < '.join(first.stack.split()[:8])}"),)
            if first.stack
            else ()
        ),
        "mend what it waits for: the stack says where; a dead FUSE server (/sys/fs/fuse/connections/N/abort), an "
        "NFS server (umount -f), a disk; else only a reboot helps",
    )


CAUSE = Cause("survivor-uninterruptible", "uninterruptible sleep", check, needs=("snapshot",))
