"""A prediction as text: one word for a column, or a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from sigtrace.predict.kernel_rules import Prediction

Word = Literal[
    "drop", "handle", "take", "ignore", "block", "die", "dead", "frozen", "stopped", "stop", "none"
]
"""What a process does with one signal, in one word.

drop: it is an init without a handler, so the kernel discards the signal. handle: its handler runs. take: it fetches the
signal by sigtimedwait or a signalfd. ignore: SIG_IGN. none: the default action is to do nothing. block: the signal
stays pending. die: it ends. stop: it stops. frozen, stopped: it acts once thawed or resumed. dead: it is exiting.
"""

_DISCARDED: Mapping[str | None, tuple[Word, str]] = MappingProxyType(
    {
        "dropped_at_generate": (
            "drop",
            "dropped: kill(2) reports success, and the process never hears of it",
        ),
        "ignored": ("ignore", "ignored: the program asked for that"),
        "default_ignored": ("none", "nothing happens: that is its default action"),
        "resumes": ("none", "nothing happens: it is not stopped"),
        "dying": ("dead", "nothing happens: the process is ending already"),
        "kernel_thread": ("none", "nothing happens: kernel threads do not take it"),
        "overflowed": ("none", "lost: the queue is full, and the sender is told so (EAGAIN)"),
    }
)
"""By verdict at generation, for signals that are not queued: the word and the sentence."""

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
"""By effect, for signals that are queued: the word and the sentence."""
_WAITS: Mapping[str, Word] = MappingProxyType(
    {"unblocking": "block", "resuming": "stopped", "thaw": "frozen"}
)


def word(prediction: Prediction) -> Word:
    """Return the prediction as one word, whether it is certain or not."""
    if prediction.dropped:
        return "drop"
    waiting = _WAITS.get(prediction.waits_for)
    if waiting or prediction.effect in ("handler", "taken", "stop"):
        return waiting or _ACTS[prediction.effect][0]
    return _DISCARDED.get(prediction.generate, _ACTS[prediction.effect])[0]


def sentence(prediction: Prediction) -> str:
    """Return the prediction as one sentence."""
    if prediction.generate is None:
        return "not sent: kill(2) fails with ESRCH"
    text = _DISCARDED.get(prediction.generate, _ACTS[prediction.effect])[1]
    if prediction.effect == "continue":
        text = _ACTS["continue"][1]
    elif prediction.effect == "none" and prediction.deliver == "dropped_at_deliver":
        text = "dropped when it is delivered"
    later = prediction.afterwards
    if later and later.verdict == "dropped_at_deliver":
        text += "; then dropped"
    return text if prediction.certain else f"not certain; most likely {text}"
