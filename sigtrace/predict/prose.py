"""The text of an explanation: what the kernel's rule leaves open, its source, and how to fix a drop."""

from __future__ import annotations

from sigtrace import signals
from sigtrace.containers import advice as runtimes
from sigtrace.predict.as_member import warning
from sigtrace.predict.fate import fate, may_handle, why
from sigtrace.predict.kernel_rules import Prediction, Target
from sigtrace.predict.question import Question
from sigtrace.predict.shell_advice import against_a_shell
from sigtrace.procfs import process
from sigtrace.procfs.remaining import THAW, waits_for
from sigtrace.procfs.remaining import advice as release


def caveat(question: Question) -> str:
    """Return what the kernel's rule leaves open, in one sentence; empty if nothing."""
    target, prediction, signal = question.target, question.prediction, question.signal
    if prediction.generate == "dying" and target.lingering:
        return f"it has exited, and waits for {waits_for(question.remaining)}"
    if not question.step.takes:
        return ""
    found = fate(question.step)
    words = why(found)
    if found.outcome != "if":
        return words
    if signals.default_action(signal) not in ("terminate", "core"):
        return ""
    if found.via:
        return f"it stops {words}"
    return f"its own choice: it stops {words.partition(' (')[0]}"  # `reason` says the rest


def kernel_source(prediction: Prediction) -> str:
    """Return the function of kernel/signal.c (6.x) that has the rule."""
    at_generation = {
        None: "kill_something_info()",
        "dropped_at_generate": "sig_task_ignored()",
        "ignored": "sig_task_ignored()",
        "resumes": "sig_task_ignored()",
        "default_ignored": "sig_task_ignored()",
        "kernel_thread": "sig_task_ignored()",
        "dying": "prepare_signal()",
        "coalesced": "legacy_queue()",
        "overflowed": "__send_signal_locked()",
    }
    if prediction.effect == "continue":
        return "prepare_signal()"
    if prediction.generate in at_generation:
        return at_generation[prediction.generate]
    if prediction.waits_for:
        return "sig_ignored()" if prediction.waits_for == "unblocking" else "wants_signal()"
    return {"taken": "dequeue_signal()", "terminate": "complete_signal()"}.get(
        prediction.effect, "get_signal()"
    )


def facts(question: Question) -> dict[str, object]:
    """Return the facts behind the prediction, by stable names; None: could not be read."""
    target, signal = question.target, question.signal
    awaited = [thread.awaited for thread in target.threads]
    waits = any(mask and signals.has(mask, signal) for mask in awaited)
    return {
        "is_init": target.unkillable,
        "disposition": target.disposition(signal),
        "default_action": signals.default_action(signal),
        "blocked": sum(signals.has(thread.blocked, signal) for thread in target.threads),
        "threads": len(target.threads),
        "awaited": True if waits else None if None in awaited else False,
        "signalfd": None if target.signalfd is None else signals.has(target.signalfd, signal),
        "pending": signals.has(target.shared_pending, signal),
        "handled": [
            signals.name(number)
            for number in signals.members(target.caught)
            if number not in signals.OF_THREADS
        ],
        "traced_by": next((thread.tracer_pid for thread in target.threads if thread.tracer_pid), None),
        "state": target.state,
        "frozen": target.frozen,
        "kernel_thread": target.kthread,
    }


def advice(question: Question) -> list[str]:
    """Return what would make the signal arrive, the most specific first; empty if nothing needs fixing."""
    target, prediction, signal = question.target, question.prediction, question.signal
    later = prediction.afterwards
    if prediction.dropped or (later and later.verdict == "dropped_at_deliver"):
        blocked = prediction.waits_for == "unblocking"
        return _against_a_block(question) if blocked else _against_a_drop(question)
    if prediction.generate is None:
        return ["send it from a namespace above the target's, or from inside its own (nsenter, docker exec)"]
    if prediction.generate == "ignored":
        return _against_ignoring(question)
    if prediction.generate == "dying":
        return _for_the_dying(question)
    if question.step.takes:
        return _onward(question)
    always = "if it blocks that all the time: " if may_handle(prediction) else ""
    waiting = {
        "unblocking": f"{always}unblock {signals.name(signal)}, or take it by sigtimedwait(2) or a signalfd",
        "resuming": f"resume it: kill -CONT {target.pid}",
        "thaw": THAW,
        "": "",
    }[prediction.waits_for]
    return [waiting] if waiting else []


def _onward(question: Question) -> list[str]:
    """Return what would help where the target takes the signal, and passes it on perhaps."""
    found = fate(question.step)
    who, where = found.who, f"{found.who.target.name}: " if found.via else ""
    if found.outcome == "ends" and found.left:
        return [f"{where}end its script with exec: {found.left} then gets the signal itself"]
    if found.outcome in ("ends", "if"):
        return []
    if who.target.shell and who.takes:
        return [where + "end its script with exec, or run the program in the background and `wait` for it"]
    if who.act and who.act.ends == "never":
        better = who.better
        return [_make_it_the_stop_signal(question, better)] if better and not found.via else []
    if not found.via:
        return []
    behind = Question(who.signal, who.target, (), "same", None, who.prediction)
    return [where + line for line in advice(behind)]


def _make_it_the_stop_signal(question: Question, signal: int) -> str:
    where = runtimes.stop_signal(question.own)
    return f"make {signals.name(signal)} the stop signal" + (f" ({where})" if where else "")


def _for_the_dying(question: Question) -> list[str]:
    target = question.target
    if target.state in "ZX":
        holder = "its parent, outside the namespace," if target.unkillable else "its parent"
        fix = (
            "end that parent"
            if target.unkillable
            else "fix the parent; as PID 1 use an init that does (tini)"
        )
        return [f"{holder} has to reap it: wait for that, or {fix}"]
    if target.killed:
        return [THAW] if target.frozen == "v1" else []
    return release(question.remaining)


def _against_a_block(question: Question) -> list[str]:
    name = signals.name(question.signal)
    return [
        f"unblock {name} in the program, and install a handler for it: the handler alone does not help",
        f"or have the program take the blocked {name}, by sigtimedwait(2) or a signalfd",
        *_instead(question),
    ]


def _against_ignoring(question: Question) -> list[str]:
    signal = question.signal
    name = signals.name(signal)
    shells = "a shell's & does"
    habits = {signals.HUP: "nohup does", signals.INT: shells, signals.QUIT: shells}
    habit = habits.get(signal, f"a shell: trap '' {name.removeprefix('SIG')}")
    found = [f"the program, or whoever started it, set SIG_IGN for {name} ({habit}): remove that"]
    found += _instead(question)
    if question.target.unkillable and not question.target.global_init:
        what = runtimes.init_option(question.own) or "a small init as PID 1"
        found.append(f"{what} does not help: the program would go on ignoring it")
    return found


def _instead(question: Question) -> list[str]:
    """Return the advice to use another stop request that the program takes; none if there is none."""
    target, signal = question.target, question.signal
    wanted = _taken(target) & signals.STOP_REQUESTS & ~signals.mask([signal])
    stoppers = [signals.name(number) for number in signals.members(wanted)]
    fatal = signals.default_action(signal) in ("terminate", "core")
    if not stoppers or not fatal or target.shell:  # a shell's handler for INT does not end it
        return []
    where = runtimes.stop_signal(question.own)
    use = f"make it the stop signal ({where})" if where else "make it the STOPSIGNAL"
    if not target.unkillable or target.global_init:
        use = "send that"
    return [f"it does take {' and '.join(stoppers)}: if it ends on that, {use}"]


def _against_a_drop(question: Question) -> list[str]:
    target, signal = question.target, question.signal
    name = signals.name(signal)
    if target.global_init:  # the host's init: its protection is intended
        return []
    if signals.has(signals.KERNEL_ONLY, signal):
        return [f"send {name} from outside: kill -{name[3:]} {target.pid} in a namespace above"]
    found = []
    if process.is_shell(target.comm, question.cmdline):
        alive = [each.name for each in target.children or () if each.state not in "ZX"]
        small = runtimes.small_init(question.own)
        return against_a_shell(question.cmdline, ", ".join(alive[:2]), small) + _instead(question)
    found += _instead(question)
    found.append(f"install a handler for {name} in the program, before it starts its work")
    if signals.default_action(signal) in ("terminate", "core"):
        found.append(f"run a small init as PID 1: {runtimes.small_init(question.own)}")
        found += filter(None, [warning(_taken(target) | target.ignored | _blocked(target), signal)])
    return found


def _blocked(target: Target) -> int:
    """Return the mask of the signals that every thread blocks."""
    common = -1 if target.threads else 0
    for thread in target.threads:
        common &= thread.blocked
    return common


def _taken(target: Target) -> int:
    """Return the mask of the signals that the program handles, waits for, or has a signalfd for."""
    taken = target.caught | (target.signalfd or 0)
    for thread in target.threads:
        taken |= thread.awaited or 0
    return taken
