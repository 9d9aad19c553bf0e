"""What the kernel does not decide: whether a program ends on a signal that reaches it."""

from __future__ import annotations

from sigtrace import signals
from sigtrace.predict.kernel_rules import Prediction
from sigtrace.procfs.signal_target import Target


def untold(target: Target, prediction: Prediction, signal: int) -> str:
    """Return why it is not known whether a signal that reaches the program ends it; empty without such a reason."""
    if prediction.effect == "handler" and target.busy_shell:
        return "the shell runs its trap only when its foreground command has ended"
    if _by_signalfd(target, prediction, signal) and signals.has(target.shared_pending, signal):
        return f"a {signals.name(signal)} is pending already: nobody has read the signalfd yet"
    return ""


def condition(target: Target, prediction: Prediction, signal: int) -> str:
    """Return the condition (`if ...`) under which a signal that reaches the program ends it; empty without one."""
    name = signals.name(signal)
    if prediction.effect == "handler":
        return f"if its handler for {name} ends it"
    if _by_signalfd(target, prediction, signal):
        return f"if it reads its signalfd and ends (it blocks {name} and has a signalfd for it)"
    if prediction.effect == "taken":
        return f"if it ends on it, or its child does (it takes {name} in sigtimedwait(2))"
    return ""


def _by_signalfd(target: Target, prediction: Prediction, signal: int) -> bool:
    waits = any(signals.has(thread.awaited or 0, signal) for thread in target.threads)
    return prediction.effect == "taken" and not waits
