"""Explains a signal before it is sent: its outcome, the kernel's rule, and how to fix a drop."""

from __future__ import annotations

from dataclasses import dataclass

from sigtrace import signals
from sigtrace.containers.of_namespace import NamespaceContainers, by_files, find_init
from sigtrace.containers.selector import ContainerSelector
from sigtrace.containers.stop_signal import StopRequest, stop_request
from sigtrace.errors import BadInput
from sigtrace.events.container import COLUMNS, Container
from sigtrace.predict.kernel_rules import Relation, Target, predict
from sigtrace.predict.passing import follow
from sigtrace.predict.prose import advice, caveat, facts, kernel_source
from sigtrace.predict.question import Question
from sigtrace.predict.words import sentence
from sigtrace.procfs import pidns, process
from sigtrace.procfs import target as targets
from sigtrace.procfs.remaining import remaining


@dataclass(frozen=True)
class Explanation(Question):
    """The outcome that one signal would have, and the facts and the rule behind it."""

    def as_dict(self) -> dict[str, object]:
        """Return the explanation for JSON Lines, with stable keys: see `sigtrace.cli.explain`."""
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
            "passed_to": self.step.rows(),
            "outcome": sentence(self.prediction),
            "reason": prediction.reason,
            "kernel": kernel_source(prediction),
            "facts": facts(self),
            "advice": advice(self),
            **dict(zip(COLUMNS, container.columns, strict=True)),
            "container_stop_signal": container.stop_signal,
            "container_claims": container.claims,
        }


_LONGEST = 20
"""Digits of a PID."""


def explain(
    signal: int | str | None = None,
    pid: int | None = None,
    sender: int | str = "",
    *,
    container: str = "",
    pod: str = "",
    root: str = "/proc",
) -> Explanation:
    """Predict the outcome of a signal, and name the kernel's rule. No signal is sent.

    signal: a number or a name; None: the stop signal of the container whose init the target is, else SIGTERM.
    pid: the target process; or container, pod: the init of this container, by name or beginning of the ID, or of the
        container in this pod.
    sender: `inside` or `outside` the target's PID namespace, or a PID; by default outside, or inside if the target
        lives in our own namespace.

    `prediction` has the outcome, and whether it is certain; `as_dict()` has it in words. Raises BadInput if there is no
    such signal, process or container.

        sigtrace.explain("TERM", container="web-1").prediction.dropped
    """
    chosen = None if signal is None else signals.parse(str(signal))
    pid = _target(pid, container, pod, root)
    target = targets.read_target(pid, root)
    request = _request(target, chosen, root)
    sender = str(sender) or ("outside" if target.level > 0 else "inside")
    sender_pid = None
    relation: Relation
    if sender == "inside":
        relation = "same"
    elif sender == "outside":
        relation = "ancestor"
        if target.nsid == process.INITIAL_PID_NS:
            raise BadInput(
                f"process {pid} lives in the initial PID namespace, which has no outside: use inside or a PID"
            )
    elif sender.isascii() and sender.isdigit() and len(sender) <= _LONGEST:
        sender_pid = int(sender)
        relation = pidns.relation_of(sender_pid, target.pid, root)
    else:
        raise BadInput(f"{sender!r} is not a sender: use inside, outside or a PID")
    prediction = predict(target, request.signal, relation)
    left = remaining(pidns.survey(root), target.nsid, root) if target.lingering else ()
    cmdline = targets.read_cmdline(target, root)
    step = follow(target, request.signal, prediction, cmdline, root)
    return Explanation(request.signal, target, cmdline, relation, sender_pid, prediction, left, request, step)


def _target(pid: int | None, container: str, pod: str, root: str) -> int:
    """Return the PID of the target. Raises BadInput."""
    wanted = ContainerSelector((container,) if container else (), (pod,) if pod else ())
    if pid is None:
        if wanted.empty:
            raise BadInput("no target given: use --container, --pod or --pid")
        return find_init(wanted, root)[0]
    if not wanted.empty:
        raise BadInput("--pid already names the target: give either --pid, or --container and --pod")
    return pid


def _request(target: Target, chosen: int | None, root: str) -> StopRequest:
    """Return the target's container, and its stop signal if the target is its init."""
    container = by_files(root)(target.pid)
    if container is None or not target.unkillable:
        return stop_request(container, True, chosen)
    seen = pidns.survey(root)
    known = next((each for each in seen.namespaces if each.init_pid == target.pid), None)
    return stop_request(
        container, known is not None and NamespaceContainers(seen, root).nested(known), chosen
    )
