"""`sigtrace demo`: perform or replay two stops, and explain them."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sigtrace import signals
from sigtrace.cli.interrupt import terminated_like_ctrl_c
from sigtrace.cli.options import format_option
from sigtrace.cli.output import echo_json
from sigtrace.events.outcome import ends, past
from sigtrace.text import printable
from sigtrace.units import SECOND, duration

if TYPE_CHECKING:
    from sigtrace.events.batch import Batch
    from sigtrace.lab.demo import DemoStop

_WIDTH = 80

_WHY = (
    "The kernel marks the init of every PID namespace as unkillable. A signal it has no handler for is "
    "discarded as soon as it is generated, while kill(2) tells the sender it succeeded. Only SIGKILL (and SIGSTOP) "
    "from outside the namespace still act. So every stop of such a container takes its whole grace period."
)
_FIXES = (
    "install a handler for SIGTERM in the program that runs as pid 1;",
    "or give it an init that passes signals on: docker run --init, tini;",
    "no shell as pid 1: ENTRYPOINT in exec form, or `exec` in the start script;",
    "or set STOPSIGNAL to a signal the program does handle.",
)


@click.command(short_help="See a stop that hangs, and why, in seconds.")
@format_option
@click.option("--save", type=click.Path(file_okay=False, path_type=Path), hidden=True)
def demo(output: str, save: Path | None) -> None:
    """Stop two containers' PID 1, and show what the kernel did to the signals.

    Starts a PID namespace whose init has no SIGTERM handler and stops it as a
    container runtime does: SIGTERM, 3 seconds of grace, SIGKILL. Then does the
    same with a handler. Where the kernel cannot be traced, says why and replays
    a recording that ships with sigtrace.

    \b
    Examples:
      sigtrace demo
      sigtrace demo --format json
    """
    from sigtrace.errors import CannotTrace
    from sigtrace.lab import demo as core
    from sigtrace.lab.channel import NoNamespaces

    if output == "table":
        grace = duration(core.GRACE_SECONDS * SECOND)
        _wrap(
            f"A container's pid 1 is stopped as a runtime does it: SIGTERM, {grace} of grace, SIGKILL. "
            "What the kernel does, as sigtrace records it:\n"
        )
    with terminated_like_ctrl_c():
        try:
            with closing(core.perform()) as batches:
                kept = _show_all(batches, output)
        except (CannotTrace, NoNamespaces) as err:
            if save:
                raise
            recorded, origin = core.replay()
            if output == "table":
                _wrap(f"Not live: {_sentence(err)} Replaying a recording ({origin}).\n")
            kept = _show_all(recorded, output, origin, _sentence(err))
    if output == "table":
        _advise()
    if save:
        core.save(kept, save)


def _show_all(batches: Iterable[Batch], output: str, origin: str = "", because: str = "") -> list[Batch]:
    """Show each stop as it comes, with `origin` and `because` if it is replayed. Returns the batches, for --save."""
    from sigtrace.lab.demo import read_stop

    kept: list[Batch] = []
    for batch in batches:
        stop = read_stop(batch)
        if output == "json":
            echo_json(_row(stop) | {"replayed_from": origin, "replayed_because": because})
        else:
            _show(stop, len(kept) + 1)
        kept.append(batch)
    return kept


def _show(stop: DemoStop, number: int) -> None:
    kind = "without a handler for SIGTERM" if stop.dropped else "with a handler for SIGTERM"
    _say(f"{number}. {printable(stop.init)}, pid 1 of pid:[{stop.nsid}], {kind}")
    for step in stop.sent:
        name = signals.name(step.signal)
        sender = f"{printable(step.sender_comm)}[{step.sender_pid}]"
        parent = f"{printable(step.sender_parent_comm)}[{step.sender_parent_pid}]"
        _moment(step.after, f"{name} from {sender}, child of {parent}")
        _moment(None, ", ".join(map(past, step.verdicts)))
    end = stop.end
    _moment(end.after, f"{printable(stop.init)} {ends(end.exit_code, end.signal)}")
    if stop.dropped:
        _moment(None, f"The stop hung for {duration(end.after * SECOND)}, on a signal that nobody ever saw.")
    else:
        _moment(None, f"The stop took {duration(end.after * SECOND)}.")
    _say("")


def _advise() -> None:
    _wrap(f"Why: {_WHY}\n")
    _say("How to fix it:")
    for fix in _FIXES:
        _say(f"  - {fix}")
    _say(
        "\nOn your own containers: `sigtrace scan` names those that would hang,\n`sigtrace watch` shows drops live."
    )


def _moment(after: float | None, text: str) -> None:
    lead = "" if after is None else f"+{duration(after * SECOND)}"
    _say(click.wrap_text(text, _WIDTH, f"  {lead:<10}", " " * 14))


def _wrap(text: str) -> None:
    _say(click.wrap_text(text, _WIDTH) + ("\n" if text.endswith("\n") else ""))


def _say(text: str) -> None:
    click.echo(text)


def _sentence(err: Exception) -> str:
    text = str(err)
    return text if text.endswith(".") else f"{text}."


def _row(stop: DemoStop) -> dict[str, Any]:
    return {
        "time": stop.time,
        "nsid": stop.nsid,
        "target_comm": stop.init,
        "target_pid": stop.pid,
        "dropped": stop.dropped,
        "took_seconds": round(stop.end.after, 6),
        "exit_signal": stop.end.signal,
        "exit_code": stop.end.exit_code,
        "signals": [
            {
                "after_seconds": round(step.after, 6),
                "signal_name": signals.name(step.signal),
                "sender_comm": step.sender_comm,
                "sender_pid": step.sender_pid,
                "sender_parent_comm": step.sender_parent_comm,
                "sender_parent_pid": step.sender_parent_pid,
                "verdicts": list(step.verdicts),
            }
            for step in stop.sent
        ],
    }
