"""The second drop point: the signal was blocked when it was sent, and had no handler when it was unblocked.

`get_signal()` in kernel/signal.c discards it for an init.
"""

from __future__ import annotations

from collections.abc import Iterator

from sigtrace.postmortem.case import Case
from sigtrace.postmortem.cause import Cause
from sigtrace.postmortem.checks import by_signal, lines, masks, sent_to_itself, severity_of
from sigtrace.postmortem.event import MEANT_TO_STOP
from sigtrace.postmortem.finding import Finding, numbers


def check(case: Case) -> Iterator[Finding]:
    """Report stop signals that were dropped at delivery, except those that the init sent to itself.

    `raised-again` reports these if the init did not end after all.
    """
    asked = {event.signal for event in case.requests} | MEANT_TO_STOP
    late = [e for e in case.to_init if e.verdict == "dropped_at_deliver" and e.signal in asked]
    for events in by_signal(e for e in late if not sent_to_itself(case, e)):
        first = events[0]
        sent = [e for e in case.requests if e.signal == first.signal and e.verdict in ("queued", "coalesced")]
        yield Finding(
            "dropped-at-deliver",
            case.nsid,
            severity_of(case, sent or events),
            "certain",
            f"{first.signal_name} was pending for {first.target}, and discarded when it was to be delivered: by "
            "then there was no handler for it.",
            lines([*sent, *events]) + masks(case.snapshot_after(first.time)),
            "install the handler before unblocking the signal; exec resets handlers but keeps the mask",
            numbers(*events),
        )


CAUSE = Cause("dropped-at-deliver", "a signal discarded at delivery", check, needs=("events",))
