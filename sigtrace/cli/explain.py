"""`sigtrace explain`: predict what becomes of a signal before it is sent."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from sigtrace.cli.completion import completed
from sigtrace.cli.options import Signal, format_option, is_namespace
from sigtrace.cli.output import echo_json
from sigtrace.errors import BadInput
from sigtrace.text import printable, shorten

if TYPE_CHECKING:
    from sigtrace.predict.explain import Explanation

_WIDTH = 79


@click.command(short_help="What would become of a signal, and by which rule?")
@click.argument("word", metavar="[TARGET]", required=False, shell_complete=completed("targets"))
@click.option(
    *("--signal", "-s", "number"),
    type=Signal(),
    help="A name such as TERM, or a number. [default: the container's own stop signal, else TERM]",
)
@click.option("--pid", "-p", type=int, help="The process the signal is for.")
@click.option(
    *("--container", "-c"),
    metavar="NAME",
    shell_complete=completed("containers"),
    help="Instead of --pid: the init of this container, by name or the beginning of its ID.",
)
@click.option(
    "--pod",
    metavar="NAMESPACE/NAME",
    shell_complete=completed("pods"),
    help="Instead of --pid: the init of the container in this pod. If the pod has several containers, "
    "choose one with --container.",
)
@click.option(
    "--from",
    "sender",
    default="",
    metavar="PID|inside|outside",
    help="The sender: a process, or any process inside or outside the target's PID namespace. "
    "[default: outside, unless the target is in sigtrace's own namespace]",
)
@format_option
def explain(
    word: str | None,
    number: int | None,
    pid: int | None,
    container: str | None,
    pod: str | None,
    sender: str,
    output: str,
) -> None:
    """Predict what becomes of a signal sent to a process, by which kernel rule.

    TARGET is a PID, or a container, a pod (NAMESPACE/NAME) or the inode of a PID
    namespace, whose init is meant. No signal is sent. The answer follows from what /proc shows now: handlers,
    blocked and awaited signals, signalfds, tracers, freezers. If the kernel would
    drop the signal, the answer says how to fix that. A program that is known to
    pass signals on (tini, dumb-init, a shell ...) is looked through: the note says
    what becomes of the signal there. The sender's permission to signal the process
    is not checked. PID may be a thread ID: kill(2) signals the whole process, but
    looks at the mask of that thread first.

    The exit code is 0 whatever the answer is, and 2 for bad input. Scripts use
    JSON, with these keys: signal, signal_name, target_pid, target_tid,
    target_ns_pid, target_comm, target_cmdline, nsid, ns_level, is_init, relation,
    sender_pid, generate, deliver, effect, waits_for, afterwards, dropped, certain,
    doubt, caveat, passed_to, outcome, reason, kernel, facts, advice, container_id,
    container_name, runtime, image, pod, pod_namespace, container_stop_signal
    (empty if not known), container_claims (another container whose name its cgroup
    has; usually empty). passed_to has those to which the target passes the signal
    on, each with pid, comm, by_pid (who passes it on), signal (as what), sure
    (false for what a shell's trap may do), word (as in scan) and outcome.

    \b
    Examples:
      sigtrace explain web-1                       would its stop work?
      sigtrace explain -s TERM 4242
      sigtrace explain -s KILL 4242 --from inside
      sigtrace explain -s INT 4242 --from 4250 --json | jq .dropped
    """
    from sigtrace.predict.explain import explain as ask

    if word is not None:
        if pid is not None or container:
            raise BadInput(f"{word!r} already names the target: leave out --pid and --container.")
        if is_namespace(word):
            pid = _pid(word)
        else:
            container = word
    explanation = ask(number, pid, sender, container=container or "", pod=pod or "")
    if output == "json":
        echo_json(explanation.as_dict())
    else:
        click.echo("\n".join(_lines(explanation)))


def _pid(word: str) -> int:
    """Return the PID that the word is, or that of the init of the PID namespace that it names. Raises BadInput."""
    from sigtrace.procfs import pidns

    name = pidns.read_name(word)
    if name.pid is not None:
        return name.pid
    found = pidns.survey().find(pidns.parse_ns(word))
    if found is None or found.init_pid is None:
        raise BadInput(f"PID namespace {word} has no init: nothing there can take a signal as PID 1.")
    return found.init_pid


def _lines(explanation: Explanation) -> Iterator[str]:
    from sigtrace import signals
    from sigtrace.predict.prose import advice, caveat, kernel_source
    from sigtrace.predict.words import sentence

    target, prediction = explanation.target, explanation.prediction
    yield f"{signals.name(explanation.signal)} to {_target(explanation)}, {_sender(explanation)}:"
    yield from _wrapped("  ", sentence(prediction))
    yield ""
    yield from _part("rule", [prediction.reason, f"kernel/signal.c: {kernel_source(prediction)}"])
    if prediction.afterwards:
        until = {
            "unblocking": "once unblocked",
            "resuming": "once resumed",
            "thaw": "once thawed",
            "": "then",
        }
        yield from _part("later", [f"{until[prediction.waits_for]}: {prediction.afterwards.reason}"])
    if prediction.doubt:
        yield from _part("doubt", [prediction.doubt])
    yield from _part("note", [words for words in (caveat(explanation),) if words])
    if target.looked_up:
        words = (
            f"{target.looked_up} is a thread of {target.pid}: the signal is for the whole process, but it is"
        )
        yield from _part("note", [f"{words} this thread's mask that the kernel looks at first"])
    yield from _part("facts", list(_facts(explanation)))
    yield from _part("fix", advice(explanation))


def _target(explanation: Explanation) -> str:
    target = explanation.target
    return f"PID {target.pid} ({shorten(target.comm, 16)})"


def _sender(explanation: Explanation) -> str:
    where = {
        "same": "from inside its PID namespace",
        "self": "from itself",
        "ancestor": "from outside its PID namespace",
        "descendant": "from a PID namespace below its own",
        "other": "from an unrelated PID namespace",
        "kernel": "from the kernel",
    }[explanation.relation]
    return where if explanation.sender_pid is None else f"{where} (PID {explanation.sender_pid})"


def _facts(explanation: Explanation) -> Iterator[str]:
    """The facts that the prediction follows from, one short line each."""
    from sigtrace import signals
    from sigtrace.predict.prose import facts

    target, known = explanation.target, facts(explanation)
    name, nsid = signals.name(explanation.signal), "?" if target.nsid is None else target.nsid
    yield f"{'init' if target.unkillable else f'PID {target.ns_pid}, not the init,'} of PID namespace {nsid}"
    yield from _container(explanation)
    if explanation.cmdline:
        yield f"command: {shorten(' '.join(explanation.cmdline), 60)}"
    action = {
        "default": f"default ({known['default_action']})",
        "ignore": "ignored (SIG_IGN)",
        "handler": "a handler",
    }
    yield f"action for {name}: {action[target.disposition(explanation.signal)]}"
    blocked = "no" if not known["blocked"] else "yes"
    if known["blocked"] and known["threads"] != 1:
        blocked = f"by {known['blocked']} of {known['threads']} threads"
    yield f"blocked: {blocked}; sigtimedwait: {_yes_or_no(known['awaited'])}; signalfd: {_yes_or_no(known['signalfd'])}"
    handled = known["handled"]
    assert isinstance(handled, list)
    yield f"handlers: {', '.join(word.removeprefix('SIG') for word in handled) or 'none at all'}"
    states = [f"state {target.state}"]
    states += [f"traced by PID {known['traced_by']}"] if known["traced_by"] else []
    states += [f"frozen by cgroup {target.frozen}"] if target.frozen else []
    states += ["a kernel thread"] if target.kthread else []
    yield ", ".join(states)


def _container(explanation: Explanation) -> Iterator[str]:
    """The container of the target and its stop signal, each if known."""
    container, own = explanation.request.container, explanation.own
    if container is None:
        return
    known = ", ".join(part for part in (container.image, container.runtime) if part)
    where = "container" if own else "inside container"
    if container.id:
        yield f"{where}: {shorten(container.label, 60)}{f' ({shorten(known, 60)})' if known else ''}"
    if container.claims:
        yield f"its cgroup claims to be {shorten(container.claims, 60)}, whose runtime does not confirm it"
    if own and own.stop_signal:
        yield f"its own stop signal: {shorten(own.stop_signal, 20)}"
    elif explanation.request.source == "unknown":
        yield "its own stop signal: not known, as no file of its runtime was found; SIGTERM is assumed"


def _yes_or_no(fact: object) -> str:
    return "not known" if fact is None else "yes" if fact else "no"


def _part(title: str, items: list[str]) -> Iterator[str]:
    """A titled list; long items wrap with a hanging indent."""
    for place, item in enumerate(items):
        yield from _wrapped(f"  {title if place == 0 else '':<7}", item)


def _wrapped(indent: str, words: str) -> list[str]:
    return textwrap.wrap(
        printable(words), _WIDTH, initial_indent=indent, subsequent_indent=" " * len(indent) + "  "
    )
