"""Experiments on init protection: which signals reach pid 1, from where."""

from __future__ import annotations

import signal

from sigtrace import signals
from sigtrace.lab.experiment import HANDLER, NOTHING, Lab, experiment
from sigtrace.predict.kernel_rules import predict
from sigtrace.procfs.target import read_target

_DROPPED = "dropped_at_generate"
_DIES = "queued, then default_action"


@experiment("term-no-handler", "SIGTERM to pid 1 from inside, without a handler")
def term_no_handler(lab: Lab) -> None:
    """The init of a PID namespace is SIGNAL_UNKILLABLE: a signal it has no handler for is discarded as it
    is generated, whatever its default action, and kill(2) tells the sender it succeeded. Any other process
    dies."""
    namespace = lab.namespace()
    member, other = namespace.member(), namespace.member()
    lab.send(member, namespace.init, signal.SIGTERM, NOTHING, _DROPPED)
    lab.send(namespace.init, namespace.init, signal.SIGTERM, NOTHING, _DROPPED)
    lab.send(member, other, signal.SIGTERM, "is killed by SIGTERM", "queued")


@experiment("term-handler", "SIGTERM to pid 1 from inside, with a handler")
def term_handler(lab: Lab) -> None:
    """Init protection covers SIG_DFL only. Once the init has a handler, the signal is queued and delivered
    to it like to any process; whether the program then exits is its own affair. SIG_IGN is the program's
    own wish, no drop."""
    namespace = lab.namespace()
    member = namespace.member()
    namespace.init.set("handler", signal.SIGTERM)
    lab.send(member, namespace.init, signal.SIGTERM, HANDLER, "queued, then handled")
    namespace.init.set("ignore", signal.SIGTERM)
    lab.send(member, namespace.init, signal.SIGTERM, NOTHING, "ignored")


@experiment("kill-inside", "SIGKILL and SIGSTOP to pid 1 from inside")
def kill_inside(lab: Lab) -> None:
    """SIGKILL and SIGSTOP cannot be handled, so from inside its namespace they never reach the init: `kill
    -9 1` does nothing. A process that came in by setns (docker exec) is inside too, although its parent is
    not."""
    namespace = lab.namespace()
    for sender in (namespace.member(), namespace.joined()):
        for number in (signal.SIGKILL, signal.SIGSTOP):
            lab.send(sender, namespace.init, number, NOTHING, _DROPPED)


@experiment("from-parent", "SIGTERM, SIGSTOP, SIGKILL to pid 1 from the parent namespace")
def from_parent(lab: Lab) -> None:
    """From an ancestor namespace SIGKILL and SIGSTOP are forced on the init, and those two only: SIGTERM
    without a handler is dropped all the same. Hence the ten seconds of `docker stop`: TERM is dropped, KILL
    acts."""
    init, outside = lab.namespace().init, lab.stage.actor()
    lab.send(outside, init, signal.SIGTERM, NOTHING, _DROPPED)
    lab.send(outside, init, signal.SIGSTOP, "is stopped by SIGSTOP", "queued, then default_action")
    lab.send(outside, init, signal.SIGCONT, NOTHING, "resumes")
    lab.send(outside, init, signal.SIGKILL, "is killed by SIGKILL", _DIES)


@experiment("sigcgt-predicts", "SigCgt of /proc/PID/status as predictor")
def sigcgt_predicts(lab: Lab) -> None:
    """SigCgt lists the signals that have a handler. For an init, a bit that is set means the signal will be
    delivered, a clear one (and clear in SigIgn, SigBlk) that it will be dropped: a SigCgt of all zeros is
    not a process that can be stopped, but one that cannot."""
    namespace = lab.namespace()
    member = namespace.member()
    namespace.init.set("handler", signal.SIGTERM, signal.SIGUSR1)
    caught = namespace.init.mask("SigCgt")
    lab.check("read the init's SigCgt", "SIGUSR1 SIGTERM", " ".join(map(signals.name, caught)))
    sent = (signal.SIGHUP, signal.SIGINT, signal.SIGUSR1, signal.SIGTERM)
    forecasts = [predict(read_target(namespace.init.pid), number, "same").generate for number in sent]
    expected = ["queued" if number in caught else _DROPPED for number in sent]
    lab.check("ask `sigtrace explain` about HUP, INT, USR1, TERM", expected, forecasts)
    for number in sent:
        predicted = number in caught
        record = "queued, then handled" if predicted else _DROPPED
        lab.send(member, namespace.init, number, HANDLER if predicted else NOTHING, record)
