"""Predicts the outcome of a signal by the rules of `kernel/signal.c`, without I/O.

`predict` follows the kernel's order: `prepare_signal()` and `sig_ignored()` for the thread that kill(2) looked
up, then the queue, then `complete_signal()` for the thread that is woken, and `get_signal()` where it is
delivered. Kernels before 5.17 queue signals for a process that is already exiting instead of discarding them;
the outcome is the same: nothing happens.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from sigtrace import signals
from sigtrace.procfs.signal_target import Relation, Target, Thread

__all__ = ["UNSEEN_WAITS", "Delivery", "Effect", "Prediction", "Relation", "Target", "Thread", "predict"]

Effect = Literal["none", "pending", "frozen", "taken", "handler", "terminate", "core", "stop", "continue"]
"""What the target does now. `pending`: queued, without a thread that acts on it. `frozen`: it acts after the
thaw. `taken`: fetched by sigtimedwait(2) or a signalfd, without delivery. The last four are default actions."""

_WAIT = "whether it waits in sigtimedwait(2) is not known"
UNSEEN_WAITS = (
    f"{_WAIT}: /proc/PID/syscall could not be read (it takes CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH)",
    f"{_WAIT}: it has a thread in uninterruptible sleep, behind which reading could hang",
    f"{_WAIT}: it was running at every look",
)
"""The doubt about each unblocked signal if the signals that a thread waits for could not be read, by cause."""

_KERNELS_DIFFER = (
    "kernels differ: since v4.15 mainline Linux ends the init at once, others drop the signal at delivery"
)

_BLOCKED_NOW = "as of now; a program may block a signal only around its event loop"

_UNSEEN_SIGNALFD = (
    "whether it has a signalfd is not known: "
    "/proc/PID/fd could not be read (it takes CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH)"
)


@dataclass(frozen=True)
class Delivery:
    """What a thread does with a signal in `get_signal()`, or what happens instead."""

    verdict: str | None
    """The verdict of the signal_deliver event, as in `sigtrace.events.verdict`; None without such an event."""
    effect: Effect
    reason: str
    signal: int = 0
    """The number in that event: SIGKILL if the signal ends the group at once; 0 without an event."""
    doubt: str = ""
    """Why this is not certain; empty if it is."""


@dataclass(frozen=True)
class Prediction:
    """The predicted outcome of one signal."""

    generate: str | None
    """The verdict of the signal_generate event, as in `sigtrace.events.verdict`; None if kill(2) fails with ESRCH."""
    now: Delivery
    """What the target does at once."""
    afterwards: Delivery | None = None
    """What the target does later with a signal that stays pending, or that meets a frozen target."""
    waits_for: Literal["", "unblocking", "resuming", "thaw"] = ""
    """What has to happen before that."""

    @property
    def deliver(self) -> str | None:
        """The verdict of the signal_deliver event; None without one, or if it comes only after `waits_for`."""
        return self.now.verdict

    @property
    def deliver_signal(self) -> int:
        """The number in that event, 0 without one; a fatal signal ends the group as SIGKILL."""
        return self.now.signal

    @property
    def effect(self) -> Effect:
        """What the target does now."""
        return self.now.effect

    @property
    def reason(self) -> str:
        """The kernel's rule in one sentence."""
        return self.now.reason

    @property
    def doubt(self) -> str:
        """Why the prediction is not certain; empty if it is."""
        return self.now.doubt

    @property
    def certain(self) -> bool:
        """Whether the facts in /proc determine the outcome."""
        return not self.now.doubt

    @property
    def dropped(self) -> bool:
        """Whether init protection discards the signal, at generation or at delivery."""
        return self.generate == "dropped_at_generate" or self.deliver == "dropped_at_deliver"


def predict(
    target: Target, signal: int | str, relation: Relation, sent_by: Literal["kill", "sigqueue"] = "kill"
) -> Prediction:
    """Predict the outcome of `signal` (1..64, or a name) from a sender in `relation` to `target`.

    `sent_by` matters only for real-time signals: sigqueue(3) fails if the queue is full, kill(2) does not. The
    sender's permission (EPERM) is not checked. Raises BadInput if there is no such signal.
    """
    signal = signals.parse(str(signal))
    if relation in ("descendant", "other"):
        where = "a namespace below" if relation == "descendant" else "an unrelated namespace"
        return _fate(None, f"kill(2) fails with ESRCH: in {where} the target has no PID")
    resumes = signal == signals.CONT and "T" in (target.state, *(thread.state for thread in target.threads))
    if resumes:
        target = _resumed(target)
    outcome = _discarded(target, signal, relation in ("ancestor", "kernel"))
    outcome = outcome or _queued(target, signal, sent_by)
    if resumes and outcome.generate != "dying":
        effect: Effect = outcome.effect if outcome.effect in ("handler", "taken") else "continue"
        also = "" if outcome.generate == "resumes" else f"; {outcome.reason}"
        reason = f"SIGCONT resumes a stopped process in any case{also}"
        return replace(outcome, now=replace(outcome.now, effect=effect, reason=reason))
    return outcome


# prepare_signal() ------------------------------------------------------------------------------------


def _discarded(target: Target, signal: int, forced: bool) -> Prediction | None:
    """`prepare_signal()`: the outcome of a signal that is not queued; None if it is."""
    if target.core_dumping:
        dumping = "it is dumping core: only SIGKILL still reaches it"
        return None if signal == signals.KILL else _fate("dying", dumping)
    if target.dying:
        return _fate("dying", _ending(target))
    thread = target.looked_up_thread
    # sig_ignored(): "Blocked signals are never ignored, since the signal handler may change by the time it is
    # unblocked." "Tracers may want to know about even ignored signal unless it is SIGKILL".
    blocked = thread.blocked | (thread.awaited or 0)
    if signals.has(blocked, signal) or (thread.tracer_pid and signal != signals.KILL):
        return None
    outcome = _task_ignored(target, signal, forced)
    if outcome and thread.awaited is None and not signals.has(signals.KERNEL_ONLY, signal):
        return replace(outcome, now=replace(outcome.now, doubt=_unseen_wait(target)))
    return outcome


def _ending(target: Target) -> str:
    """Return the reason for a process that is dying: how far it has come."""
    if target.state in "ZX":
        return "it is a zombie: it has exited, and its parent has not reaped it yet"
    if not target.killed:
        return "it is exiting: the kernel discards signals for a dying process"
    if target.frozen == "v1":
        return "killed already: it ends once thawed (cgroup v1)"
    asleep = any(thread.state == "D" for thread in target.threads)
    return "killed already: it ends when its uninterruptible sleep does" if asleep else "killed already"


def _unseen_wait(target: Target) -> str:
    """Return why it is not known which signals the threads wait for."""
    if any(thread.unsettled for thread in target.threads):
        return UNSEEN_WAITS[2]
    asleep = target.frozen != "v1" and any(thread.state == "D" for thread in target.threads)
    return UNSEEN_WAITS[asleep]


def _task_ignored(target: Target, signal: int, forced: bool) -> Prediction | None:
    """`sig_task_ignored()`, except that a signal which any process would ignore is not "dropped" for an init."""
    name, disposition = signals.name(signal), target.disposition(signal)
    kernel_only = signals.has(signals.KERNEL_ONLY, signal)
    if target.kthread:
        asked = "this one asked for the signal (allow_signal()); what it does then is its own code"
        doubt = asked if disposition == "handler" else ""
        return _fate("kernel_thread", "it is a kernel thread, and signals do not end those", doubt)
    if disposition == "ignore":
        return _fate("ignored", f"the program ignores {name} (SIG_IGN)")
    if disposition == "default" and signal == signals.CONT:
        return _fate("resumes", "SIGCONT resumes a stopped process, and does nothing to any other")
    if disposition == "default" and signals.has(signals.DEFAULT_IGNORED, signal):
        return _fate("default_ignored", f"the default action of {name} is to do nothing")
    forced = forced and kernel_only and not target.global_init
    if not target.unkillable or disposition == "handler" or forced:
        return None
    reason = f"it is the init of its PID namespace and has no handler for {name}: the kernel discards it"
    if kernel_only:
        reason = f"an init takes {name} only from outside its PID namespace"
        if target.global_init:
            reason = f"nobody can send {name} to the init of the initial PID namespace"
    return _fate("dropped_at_generate", reason)


# __send_signal_locked() and complete_signal() --------------------------------------------------------


def _queued(target: Target, signal: int, sent_by: str) -> Prediction:
    """`__send_signal_locked()`: the signal is queued, and `complete_signal()` wakes a thread."""
    full = target.queue_limit is not None and target.queue_used >= target.queue_limit
    if signal >= signals.KERNEL_SIGRTMIN and sent_by == "sigqueue" and full:
        return _fate("overflowed", "the queue is full (RLIMIT_SIGPENDING): the sender gets EAGAIN")
    outcome = _woken(target, signal)
    if signal < signals.KERNEL_SIGRTMIN and signals.has(target.shared_pending, signal):
        effect: Effect = outcome.effect if outcome.effect in ("taken", "frozen") else "pending"
        reason = f"{signals.name(signal)} is pending already and is not queued twice; {outcome.reason}"
        merged = Delivery(None, effect, reason, doubt=outcome.doubt)
        return replace(outcome, generate="coalesced", now=merged)
    return outcome


def _woken(target: Target, signal: int) -> Prediction:
    """`complete_signal()` and `wants_signal()`: which thread acts on a queued signal, and how."""
    willing = [
        thread for thread in target.threads if not (thread.exiting or signals.has(thread.blocked, signal))
    ]
    awake = [thread for thread in willing if signal == signals.KILL or thread.state not in "Tt"]
    if not awake:
        return _asleep(target, willing[0], signal) if willing else _blocked(target, signal)
    looked_up = target.looked_up_thread
    deliveries = [_act(target, thread, signal) for thread in ([looked_up] if looked_up in awake else awake)]
    first = deliveries[0]
    if any(other.effect != first.effect for other in deliveries):
        doubt = "its threads differ, and any that does not block the signal may get it"
        first = _doubting(first, doubt)
    if target.frozen and not (target.frozen == "v2" and first.signal == signals.KILL):
        frozen = Delivery(None, "frozen", f"it is frozen (cgroup {target.frozen}) and acts only once thawed")
        return Prediction("queued", frozen, first, "thaw")
    return Prediction("queued", first)


def _act(target: Target, thread: Thread, signal: int) -> Delivery:
    """What the woken thread does: fetch the signal, die with its group, or go to `get_signal()`."""
    name = signals.name(signal)
    if thread.awaited and signals.has(thread.awaited, signal):
        return Delivery(None, "taken", f"a thread of it takes {name} in sigtimedwait(2)")
    delivery = _group_exit(target, thread, signal) or _delivered(target, signal)
    if signal == signals.KILL:
        return delivery
    if thread.tracer_pid:
        return _doubting(delivery, f"traced by PID {thread.tracer_pid}, which sees the signal first")
    if thread.awaited is None and signal != signals.STOP:
        return _doubting(delivery, _unseen_wait(target))
    return delivery


def _doubting(delivery: Delivery, doubt: str) -> Delivery:
    """Return the delivery with one more reason why it is not certain."""
    return replace(delivery, doubt="; ".join(filter(None, (delivery.doubt, doubt))))


def _group_exit(target: Target, thread: Thread, signal: int) -> Delivery | None:
    """`sig_fatal()`: a fatal signal without a core dump ends the group at once, without get_signal().

    Since Linux kernel commit 426915796cca ("kernel/signal.c: remove the no longer needed SIGNAL_UNKILLABLE
    check in complete_signal()") (in v4.15) that holds for an init too, when the thread kill(2) looked up
    blocks the signal, so that it is not discarded, and another thread does not. Kernels that have the check
    leave it to get_signal(): those before, and builds that have it again. What /proc and BTF show is the same.
    """
    fatal = target.disposition(signal) == "default" and signals.default_action(signal) == "terminate"
    if not fatal or (target.looked_up_thread.tracer_pid and signal != signals.KILL):
        return None
    name, doubts = signals.name(signal), []
    reason = f"the default action of {name} ends the process"
    if target.unkillable and signal == signals.KILL:
        reason = "SIGKILL from outside ends an init, and with it every process of its namespace"
    elif target.unkillable:
        if target.spares_init:
            return None
        if target.spares_init is None:
            doubts.append(_KERNELS_DIFFER)
        reason = f"the thread looked up blocks {name}, another does not: that voids the protection of an init"
    if thread.state == "D" and not target.frozen:
        doubts.append("it is in uninterruptible sleep and dies when that ends")
    return Delivery("default_action", "terminate", reason, signals.KILL, "; ".join(doubts))


def _asleep(target: Target, thread: Thread, signal: int) -> Prediction:
    """The outcome if all threads that do not block the signal are stopped."""
    later = _delivered(target, signal)
    reason = "it is stopped and acts only once SIGCONT resumes it"
    if thread.state == "t":
        later = replace(later, doubt=f"PID {thread.tracer_pid}, which traces it, sees the signal first")
        reason = f"it is stopped by PID {thread.tracer_pid}, which traces it"
    elif signals.default_action(signal) == "stop":
        later = Delivery(None, "none", "SIGCONT takes pending stop signals from the queue")
        reason = "it is stopped already"
    return Prediction("queued", Delivery(None, "pending", reason), later, "resuming")


def _blocked(target: Target, signal: int) -> Prediction:
    """The outcome if all threads block the signal: it stays queued, for a signalfd or until it is unblocked."""
    name, later = signals.name(signal), _delivered(target, signal)
    if target.signalfd and signals.has(target.signalfd, signal):
        return Prediction("queued", Delivery(None, "taken", f"it blocks {name} and has a signalfd for it"))
    doubts = [_UNSEEN_SIGNALFD] if target.signalfd is None else []
    if any(thread.unsettled for thread in target.threads):
        doubts.append(_unseen_wait(target))
    elif later.effect == "handler":
        doubts.append(_BLOCKED_NOW)
    reason = f"it blocks {name}, and no thread of it waits for the signal"
    now = Delivery(None, "pending", reason, doubt="; ".join(doubts))
    return Prediction("queued", now, later, "unblocking")


# get_signal() ----------------------------------------------------------------------------------------


def _delivered(target: Target, signal: int) -> Delivery:
    """`get_signal()`: what a thread does with a signal that it dequeues."""
    name, disposition = signals.name(signal), target.disposition(signal)
    if disposition == "ignore":
        return Delivery("ignored", "none", f"the program ignores {name} (SIG_IGN)", signal)
    if disposition == "handler":
        return Delivery("handled", "handler", f"it reaches the program's handler for {name}", signal)
    if signals.has(signals.DEFAULT_IGNORED, signal):
        return Delivery("default_ignored", "none", f"the default action of {name} is to do nothing", signal)
    if target.unkillable and not signals.has(signals.KERNEL_ONLY, signal):
        reason = f"it is the init of its PID namespace and has no handler for {name}: the kernel drops it"
        return Delivery("dropped_at_deliver", "none", reason, signal)
    if signals.default_action(signal) == "stop":
        return _stopped(target, signal)
    effect: Effect = "core" if signals.default_action(signal) == "core" else "terminate"
    return Delivery("default_action", effect, f"the default action of {name} ends the process", signal)


def _stopped(target: Target, signal: int) -> Delivery:
    """Stop signals other than SIGSTOP have no effect in an orphaned process group (`is_current_pgrp_orphaned()`)."""
    if signal != signals.STOP and target.orphaned_group:
        reason = f"{signals.name(signal)} does nothing in an orphaned process group"
        return Delivery("default_action", "none", reason, signal)
    unknown = "it would do nothing in an orphaned process group, and whether this is one is not known"
    doubt = unknown if signal != signals.STOP and target.orphaned_group is None else ""
    reason = f"the default action of {signals.name(signal)} stops the process"
    return Delivery("default_action", "stop", reason, signal, doubt)


def _fate(generate: str | None, reason: str, doubt: str = "") -> Prediction:
    """Return the prediction for a signal without any effect."""
    return Prediction(generate, Delivery(None, "none", reason, doubt=doubt))


def _resumed(target: Target) -> Target:
    """Return the target as `prepare_signal()` leaves it for a SIGCONT: awake, even if the signal is discarded."""
    threads = tuple(replace(each, state="S") if each.state == "T" else each for each in target.threads)
    return replace(target, state="S" if target.state == "T" else target.state, threads=threads)
