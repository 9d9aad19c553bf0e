"""One signal explained before it is sent: what becomes of it, by which rule, and how to fix a drop."""

from __future__ import annotations

from dataclasses import dataclass

from sigtrace import signals
from sigtrace.containers import advice as runtimes
from sigtrace.containers.of_namespace import Homes, by_files, find_init
from sigtrace.containers.selector import Wanted
from sigtrace.containers.stop_signal import StopRequest, stop_request
from sigtrace.errors import BadInput
from sigtrace.events.container import COLUMNS, Container
from sigtrace.predict import program
from sigtrace.predict.kernel_rules import Prediction, Relation, Target, predict
from sigtrace.predict.words import sentence
from sigtrace.procfs import pidns, process
from sigtrace.procfs.zap import THAW, Remaining, remaining, waits_for
from sigtrace.procfs.zap import advice as release

_NO_CONTAINER = StopRequest()


@dataclass(frozen=True)
class Explanation:
    """What would become of one signal, and everything that says why."""

    signal: int
    target: Target
    cmdline: tuple[str, ...]
    """Empty when it could not be read."""
    relation: Relation
    sender_pid: int | None
    """None for "inside" and "outside"."""
    prediction: Prediction
    remaining: tuple[Remaining, ...] = ()
    """The processes that an ended init waits for."""
    request: StopRequest = _NO_CONTAINER
    """The container the target lives in, and how its runtime stops it."""

    @property
    def own(self) -> Container | None:
        """The container whose init the target is; None for any other process."""
        return None if self.request.nested else self.request.container

    def as_dict(self) -> dict[str, object]:
        """The explanation for JSON Lines: stable keys, see `sigtrace.cli.explain`."""
        target, prediction, container = self.target, self.prediction, self.request.container or Container("")
        return {
            "signal": self.signal,
            "signal_name": signals.name(self.signal),
            "target_pid": target.pid,
            "target_tid": target.looked_up or target.pid,
            "target_ns_pid": target.ns_pid,
            "target_comm": target.comm,
            "target_cmdline": list(self.cmdline),
            "nsid": target.nsid,
            "ns_level": target.level,
            "is_init": target.unkillable,
            "relation": self.relation,
            "sender_pid": self.sender_pid,
            "generate": prediction.generate,
            "deliver": prediction.deliver,
            "effect": prediction.effect,
            "waits_for": prediction.waits_for,
            "afterwards": prediction.afterwards.verdict if prediction.afterwards else None,
            "dropped": prediction.dropped,
            "certain": prediction.certain,
            "doubt": prediction.doubt,
            "caveat": caveat(self),
            "outcome": sentence(self.prediction),
            "reason": prediction.reason,
            "kernel": kernel_source(prediction),
            "facts": facts(self),
            "advice": advice(self),
            **dict(zip(COLUMNS, container.columns, strict=True)),
            "container_stop_signal": container.stop_signal,
        }


def explain(
    signal: int | str | None = None,
    pid: int | None = None,
    sender: int | str = "",
    *,
    container: str = "",
    pod: str = "",
    root: str = "/proc",
) -> Explanation:
    """What would become of a signal, and by which rule of the kernel. Nothing is sent.

    signal: a number or a name; None: the stop signal of the container whose init the target is, else SIGTERM.
    pid: the process it is for; or container, pod: the init of this container, by name or beginning of the ID, or of
        the container in this pod.
    sender: `inside` or `outside` the target's PID namespace, or a PID; by default outside, unless the target lives in
        our own.

    `prediction` says what becomes of it, and whether that is certain; `as_dict()` has it in words. Raises BadInput when
    there is no such signal, process or container.

        sigtrace.explain("TERM", container="web-1").prediction.dropped
    """
    chosen = None if signal is None else signals.parse(str(signal))
    pid = _target(pid, container, pod, root)
    target = process.read_target(pid, root)
    request = _request(target, chosen, root)
    sender = str(sender) or ("outside" if target.level > 0 else "inside")
    sender_pid = None
    relation: Relation
    if sender == "inside":
        relation = "same"
    elif sender == "outside":
        relation = "ancestor"
        if target.nsid == process.INITIAL_PID_NS:
            raise BadInput(f"process {pid} lives in the initial PID namespace: nothing is outside of that")
    elif sender.isascii() and sender.isdigit():
        sender_pid = int(sender)
        relation = pidns.relation_of(sender_pid, target.pid, root)
    else:
        raise BadInput(f"{sender!r} is no sender: use inside, outside or a PID")
    prediction = predict(target, request.signal, relation)
    left = remaining(pidns.survey(root), target.nsid, root) if target.lingering else ()
    cmdline = process.read_cmdline(target, root)
    return Explanation(request.signal, target, cmdline, relation, sender_pid, prediction, left, request)


def _target(pid: int | None, container: str, pod: str, root: str) -> int:
    """The process that is meant. Raises BadInput."""
    wanted = Wanted((container,) if container else (), (pod,) if pod else ())
    if pid is None:
        if wanted.empty:
            raise BadInput("whom is the signal for? Give --container, --pod or --pid")
        return find_init(wanted, root)[0]
    if not wanted.empty:
        raise BadInput("--pid names the target already: give it, or --container and --pod")
    return pid


def _request(target: Target, chosen: int | None, root: str) -> StopRequest:
    """The target's container, and by which signal it is stopped if the target is its init."""
    container = by_files(root)(target.pid)
    if container is None or not target.unkillable:
        return stop_request(container, True, chosen)
    seen = pidns.survey(root)
    known = next((each for each in seen.namespaces if each.init_pid == target.pid), None)
    return stop_request(container, known is not None and Homes(seen, root).nested(known), chosen)


def caveat(explanation: Explanation) -> str:
    """What the kernel's rule leaves open, in one sentence; empty when it leaves nothing open."""
    target, prediction, signal = explanation.target, explanation.prediction, explanation.signal
    if prediction.generate == "dying" and target.lingering:
        return f"it has exited, and waits for {waits_for(explanation.remaining)}"
    untold = program.untold(target, prediction, signal)
    if untold or signals.default_action(signal) not in ("terminate", "core"):
        return untold
    depends = program.condition(target, prediction, signal).partition(" (")[0]  # `reason` says the rest
    return f"its own choice: it stops {depends}" if depends else ""


def kernel_source(prediction: Prediction) -> str:
    """The function of kernel/signal.c (6.x) whose rule this is."""
    at_generation = {
        None: "kill_something_info()",
        "dropped_at_generate": "sig_task_ignored()",
        "ignored": "sig_task_ignored()",
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


def facts(explanation: Explanation) -> dict[str, object]:
    """What the prediction rests on, by stable names; None = could not be read."""
    target, signal = explanation.target, explanation.signal
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


def advice(explanation: Explanation) -> list[str]:
    """What would make the signal arrive, most specific first; empty when nothing needs fixing."""
    target, prediction, signal = explanation.target, explanation.prediction, explanation.signal
    later = prediction.afterwards
    if prediction.dropped or (later and later.verdict == "dropped_at_deliver"):
        blocked = prediction.waits_for == "unblocking"
        return _against_a_block(explanation) if blocked else _against_a_drop(explanation)
    if prediction.generate is None:
        return ["send it from a namespace above the target's, or from inside its own (nsenter, docker exec)"]
    if prediction.generate == "ignored":
        return _against_ignoring(explanation)
    if prediction.generate == "dying":
        return _for_the_dying(explanation)
    if prediction.effect == "handler" and target.busy_shell:
        return ["end its script with exec, or run the program in the background and `wait` for it"]
    waiting = {
        "unblocking": f"unblock {signals.name(signal)}, or take it by sigtimedwait(2) or a signalfd",
        "resuming": f"resume it: kill -CONT {target.pid}",
        "thaw": THAW,
        "": "",
    }[prediction.waits_for]
    return [waiting] if waiting else []


def _for_the_dying(explanation: Explanation) -> list[str]:
    target = explanation.target
    if target.state in "ZX":
        whose = "its parent, outside the namespace," if target.unkillable else "its parent"
        fix = (
            "end that parent"
            if target.unkillable
            else "fix the parent; as PID 1 use an init that does (tini)"
        )
        return [f"{whose} has to reap it: wait for that, or {fix}"]
    if target.killed:
        return [THAW] if target.frozen == "v1" else []
    return release(explanation.remaining)


def _against_a_block(explanation: Explanation) -> list[str]:
    name = signals.name(explanation.signal)
    return [
        f"unblock {name} in the program, and install a handler for it: the handler alone does not help",
        f"or have the program take the blocked {name}, by sigtimedwait(2) or a signalfd",
        *_instead(explanation),
    ]


def _against_ignoring(explanation: Explanation) -> list[str]:
    signal = explanation.signal
    name = signals.name(signal)
    shells = "a shell's & does"
    habits = {signals.HUP: "nohup does", signals.INT: shells, signals.QUIT: shells}
    habit = habits.get(signal, f"a shell: trap '' {name.removeprefix('SIG')}")
    found = [f"the program, or whoever started it, set SIG_IGN for {name} ({habit}): remove that"]
    found += _instead(explanation)
    if explanation.target.unkillable and not explanation.target.global_init:
        what = runtimes.init_option(explanation.own) or "a small init as PID 1"
        found.append(f"{what} does not help: the program would go on ignoring it")
    return found


def _instead(explanation: Explanation) -> list[str]:
    """The other requests to stop that it takes."""
    target, signal = explanation.target, explanation.signal
    wanted = _taken(target) & signals.STOP_REQUESTS & ~signals.mask([signal])
    stoppers = [signals.name(number) for number in signals.members(wanted)]
    fatal = signals.default_action(signal) in ("terminate", "core")
    if not stoppers or not fatal or target.busy_shell:  # a shell's handler for INT does not end it
        return []
    where = runtimes.stop_signal(explanation.own)
    use = f"make it the stop signal ({where})" if where else "make it the STOPSIGNAL"
    if not target.unkillable or target.global_init:
        use = "send that"
    return [f"it does take {' and '.join(stoppers)}: if it ends on that, {use}"]


def _against_a_drop(explanation: Explanation) -> list[str]:
    target, signal = explanation.target, explanation.signal
    name = signals.name(signal)
    if target.global_init:  # the host's: what protects it is meant to
        return []
    if signals.has(signals.KERNEL_ONLY, signal):
        return [f"send {name} from outside: kill -{name[3:]} {target.pid} in a namespace above"]
    found = []
    if process.is_shell(target.comm, explanation.cmdline):
        found.append(
            'PID 1 is a shell: use the exec form, ENTRYPOINT ["program"], or end its script with exec'
        )
    found += _instead(explanation)
    found.append(f"install a handler for {name} in the program, before it starts its work")
    if signals.default_action(signal) in ("terminate", "core"):
        found.append(f"run a small init as PID 1: {runtimes.small_init(explanation.own)}")
    return found


def _taken(target: Target) -> int:
    """The signals the program takes in any way, now."""
    taken = target.caught | (target.signalfd or 0)
    for thread in target.threads:
        taken |= thread.awaited or 0
    return taken
