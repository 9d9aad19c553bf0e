"""A process in uninterruptible sleep (NFS, FUSE, a disk that does not answer) does not act even on SIGKILL."""

from __future__ import annotations

from collections.abc import Iterator

from sigtrace.postmortem.case import Case
from sigtrace.postmortem.cause import Cause
from sigtrace.postmortem.checks import weight
from sigtrace.postmortem.finding import Finding
from sigtrace.postmortem.survivors import held
from sigtrace.text import printable


def check(case: Case) -> Iterator[Finding]:
    """Report survivors in state D."""
    found = held(case, "uninterruptible")
    if found is None:
        return
    first, period = found.first, found.period
    more = f" and {found.more} more" if found.more else ""
    where = f" in {printable(first.wchan)}" if first.wchan not in ("", "0") else ""
    stack = f"stack of {first.name}: {' < '.join(first.stack.split()[:8])}"
    severity, confidence = weight(case, period)
    yield Finding(
        "survivor-uninterruptible",
        case.nsid,
        severity,
        confidence,
        period.tell(
            f"The namespace cannot end: {first.name}{more} sleeps uninterruptibly{where} and cannot be killed.",
            f"The namespace could not end while {first.name}{more} slept uninterruptibly{where}.",
        ),
        found.evidence + ((found.snapshot.line(stack),) if first.stack else ()),
        period.tell(
            "mend what it waits for: the stack says where; a dead FUSE server (/sys/fs/fuse/connections/N/abort), an "
            "NFS server (umount -f), a disk; else only a reboot helps",
            "find out what it waited for: the stack says where; a FUSE server, an NFS server, a disk that was slow",
        ),
        period=period,
    )


CAUSE = Cause("survivor-uninterruptible", "uninterruptible sleep", check, needs=("snapshot",))
