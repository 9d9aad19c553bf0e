"""`sigtrace scan`: what every container's PID 1 would do when it is asked to stop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import click

from sigtrace.cli.options import Signal, format_option, ns_option
from sigtrace.cli.output import console, echo_json

_ONE = {"ending": "is ending already"}
_MANY = {"stops at once": "stop at once", "waits for KILL": "wait for KILL", "ending": "are ending already"}


@click.command(short_help="What would the init of each PID namespace do with a signal?")
@ns_option
@click.option(
    "--stop-signal",
    type=Signal(),
    default="TERM",
    show_default=True,
    help="The signal a stop begins with, as STOPSIGNAL or KillSignal= set it.",
)
@format_option
def scan(namespaces: tuple[str, ...], stop_signal: int, output: str) -> None:
    """What would the init of each PID namespace do with a signal sent from outside?

    One row a namespace, as a tree: its inode, its init and how old it is, its
    number of tasks, and what the init does with TERM, INT, HUP, QUIT and the stop
    signal; below, whether a stop works at once or hangs until KILL, and why. `if` there means
    that the signal reaches the program, which may still choose not to end.

    \b
    drop     no handler, so the kernel discards it
    handle   runs its handler           take     by sigtimedwait or a signalfd
    ignore   SIG_IGN                    none     the default is to do nothing
    block    stays pending              die      ends it
    stopped  acts once resumed          frozen   acts once thawed
    stop     stops it until SIGCONT     dead     it is ending already
    drop?    most likely so, but not all facts could be read

    Needs neither BPF nor root, but as another user it sees less, and says so.

    JSON Lines have these keys: nsid, ns_level, parent_nsid, init_pid, init_comm,
    ns_start (clock ticks since boot), age_seconds, processes, tasks, frozen ("",
    "v1" or "v2"), kept_by, signals (name to word), stop_signal, verdict ("stops at
    once", "waits for KILL", "can't be told", or "" where there is nothing to stop),
    why, ending (true if its init has ended or was killed already).

    \b
    Examples:
      sigtrace scan
      sigtrace scan --ns 4242                     the namespace of one process
      sigtrace scan --stop-signal RTMIN+3         for systemd in a container
      sigtrace scan --format json | jq -r 'select(.verdict == "waits for KILL").init_pid'
    """
    from sigtrace import pidns
    from sigtrace.scan import asked_about
    from sigtrace.scan import scan as look

    only = {pidns.parse_ns(name) for name in namespaces}
    seen, rows = look(stop_signal, only)
    if output == "json":
        for row in rows:
            echo_json(row.as_dict(stop_signal))
    else:
        from sigtrace.cli.tree import print_tree

        print_tree(console(), rows, asked_about(stop_signal))
        click.echo("\n" + _summary([row.verdict or "ending" for row in rows if row.verdict or row.ending]))
        if any(row.verdict == "stops at once" and row.why.startswith("if ") for row in rows):
            click.echo("Where it says `if`, the signal reaches the program; the rest is its own choice.")
    if seen.unreadable:
        what = f"{seen.unreadable} processes in other PID namespaces" if seen.unreadable > 1 else "a process"
        click.echo(f"sigtrace: {what} could not be looked at closely: run as root to see all", err=True)
    if seen.hidden:
        click.echo("sigtrace: /proc is mounted with hidepid: other users' processes are not listed", err=True)


def _summary(verdicts: Sequence[str]) -> str:
    """How many namespaces stop how."""
    if not verdicts:
        return "No PID namespace here that could be stopped from outside: no containers."
    if len(verdicts) == 1:
        return f"1 PID namespace: {_ONE.get(verdicts[0], verdicts[0])}."
    counts = Counter(verdicts).most_common()
    parts = [f"{count} {(_ONE if count == 1 else _MANY).get(verdict, verdict)}" for verdict, count in counts]
    return f"{len(verdicts)} PID namespaces: {', '.join(parts)}."
