"""The handler set the signal back to its default and sent it to its own process again: as PID 1 that ends nothing.

Programs do that so that their parent sees which signal ended them (`WIFSIGNALED`): Node.js without a listener for the
signal, and many with a handler that cleans up. The second signal meets the protection of an init, as it is sent
(`sig_task_ignored()` in kernel/signal.c) or, if the handler blocks it, as it is delivered (`get_signal()`).
"""

from __future__ import annotations

from collections.abc import Iterator

from sigtrace.containers import advice
from sigtrace.postmortem.case import Case
from sigtrace.postmortem.cause import Cause
from sigtrace.postmortem.checks import by_signal, lines, sent_to_itself, severity_of
from sigtrace.postmortem.event import Event
from sigtrace.postmortem.finding import Finding, numbers


def check(case: Case) -> Iterator[Finding]:
    """Report requests that the init handled, and sent to itself again, whereupon the kernel discarded them."""
    own = [e for e in case.to_init if e.verdict.startswith("dropped") and sent_to_itself(case, e)]
    for events in by_signal(e for e in case.requests if case.outlasted(e)):
        first, fate = events[0], case.fate_of(events[0])
        if fate is None or fate.verdict != "handled":
            continue
        again = [e for e in own if e.signal == first.signal and e.time >= fate.time]
        if again:
            yield Finding(
                "raised-again",
                case.nsid,
                severity_of(case, events),
                "certain",
                f"{first.target} handled {first.signal_name}, and then sent it to itself to die of it; but it is PID "
                "1, and the kernel discards what has no handler.",
                lines([first, fate, *again]),
                f"have the program exit in a handler of its own for {first.signal_name} (in Node.js: process.on("
                f"'{first.signal_name}', () => process.exit())); or run a small init as PID 1: "
                + advice.small_init(case.container),
                numbers(*_all_of(events, case), *again),
            )


def _all_of(events: list[Event], case: Case) -> list[Event]:
    """Return the requests, and their deliveries."""
    return [*events, *(fate for event in events if (fate := case.fate_of(event)))]


CAUSE = Cause(
    "raised-again",
    "a handler that raises its signal again",
    check,
    needs=("events",),
    instead_of=("dropped-at-deliver", "dropped-at-generate", "slow-handler"),
    waits=True,
)
