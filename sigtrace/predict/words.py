"""A prediction in words: short for a column, and as a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from sigtrace.predict.kernel_rules import Prediction

Word = Literal[
    "drop", "handle", "take", "ignore", "block", "die", "dead", "frozen", "stopped", "stop", "none"
]
"""What a process does with one signal, in short.

drop: an init without a handler, so the kernel discards it. handle: runs its handler. take: by sigtimedwait or a
signalfd. ignore: SIG_IGN. none: does nothing by default. block: stays pending, nobody takes it. die: ends it. stop:
stops it. frozen, stopped: acts once thawed or resumed. dead: it is ending already.
"""

_DISCARDED: Mapping[str | None, tuple[Word, str]] = MappingProxyType(
    {
        "dropped_at_generate": (
            "drop",
            "dropped: kill(2) reports success, and the process never hears of it",
        ),
        "ignored": ("ignore", "ignored: the program asked for that"),
        "default_ignored": ("none", "nothing happens: that is its default action"),
        "dying": ("dead", "nothing happens: the process is ending already"),
        "kernel_thread": ("none", "nothing happens: kernel threads do not take it"),
        "overflowed": ("none", "lost: the queue is full, and the sender is told so (EAGAIN)"),
    }
)
"""By what becomes of it as it is sent, where nothing is queued."""

_ACTS: Mapping[str, tuple[Word, str]] = MappingProxyType(
    {
        "handler": ("handle", "handled: the program's handler runs"),
        "taken": ("take", "taken: the program can fetch it without a handler"),
        "terminate": ("die", "the process ends"),
        "core": ("die", "the process ends with a core dump"),
        "stop": ("stop", "the process stops until SIGCONT"),
        "continue": ("none", "the process goes on"),
        "frozen": ("frozen", "pending until the cgroup is thawed"),
        "pending": ("block", "pending, and nobody acts on it for now"),
        "none": ("none", "nothing happens"),
    }
)
"""By effect."""
_WAITS: Mapping[str, Word] = MappingProxyType(
    {"unblocking": "block", "resuming": "stopped", "thaw": "frozen"}
)


def word(prediction: Prediction) -> Word:
    """The prediction in one short word, whether certain or not."""
    if prediction.dropped:
        return "drop"
    waiting = _WAITS.get(prediction.waits_for)
    if waiting or prediction.effect in ("handler", "taken", "stop"):
        return waiting or _ACTS[prediction.effect][0]
    return _DISCARDED.get(prediction.generate, _ACTS[prediction.effect])[0]


def sentence(prediction: Prediction) -> str:
    """What becomes of the signal, in one sentence for people."""
    if prediction.generate is None:
        return "not sent: kill(2) fails with ESRCH"
    sentence = _DISCARDED.get(prediction.generate, _ACTS[prediction.effect])[1]
    if prediction.effect == "continue":
        sentence = _ACTS["continue"][1]
    elif prediction.effect == "none" and prediction.deliver == "dropped_at_deliver":
        sentence = "dropped when it is delivered"
    later = prediction.afterwards
    if later and later.verdict == "dropped_at_deliver":
        sentence += "; then dropped"
    return sentence if prediction.certain else f"not certain; most likely {sentence}"
