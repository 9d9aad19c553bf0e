"""`sigtrace scan`: predict what the PID 1 of every container does when it is asked to stop."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from sigtrace.cli.options import Signal, container_options, format_option, ns_option, targets_argument
from sigtrace.cli.output import console, echo_json
from sigtrace.text import printable

if TYPE_CHECKING:
    from sigtrace.predict.scan_row import ScanRow

_FEW = 3
"""The summary names at most this many containers."""

_LONG_ID = 64
"""Characters of an ID that an engine generated."""

_ONE = {"ending": "is ending already"}
_MANY = {"stops at once": "stop at once", "waits for KILL": "wait for KILL", "ending": "are ending already"}


@click.command(short_help="What would the init of each PID namespace do with a signal?")
@targets_argument
@ns_option
@container_options
@click.option(
    *("--stop-signal", "-s"),
    type=Signal(),
    help="The first signal of a stop. [default: each container's own, as set by STOPSIGNAL or KillSignal=, "
    "else TERM]",
)
@format_option
def scan(
    namespaces: tuple[str, ...],
    containers: tuple[str, ...],
    pods: tuple[str, ...],
    stop_signal: int | None,
    output: str,
) -> None:
    """Predict what the init of each PID namespace does with a signal from outside.

    TARGET is a container, a pod (NAMESPACE/NAME), a PID or an inode; without one,
    all are shown. `sigtrace ps` is the same command.

    Prints the namespaces as a tree. Each has its container's name, image and
    runtime; its inode, its init's PID, command and age, its number of tasks, and
    what the init does with TERM, INT, HUP and QUIT; below, whether a stop works at
    once or hangs until KILL, and why. `if` there means that the signal reaches the
    program, which may still choose not to end. Where the init is known to pass the
    signal on (tini, dumb-init, catatonit, s6, runit, supervisord, systemd ...), or
    is a shell, it is what becomes of it there that counts. Namespaces that were
    created inside a container are marked.

    \b
    drop     no handler, so the kernel discards it
    handle   runs its handler           take     by sigtimedwait or a signalfd
    ignore   SIG_IGN                    none     the default is to do nothing
    block    stays pending              die      ends it
    stopped  acts once resumed          frozen   acts once thawed
    stop     stops it until SIGCONT     dead     it is already ending
    drop?    most likely, but not all facts could be read

    Needs neither BPF nor root. Without root it sees less, and says so.

    JSON Lines have these keys: nsid, ns_level, parent_nsid, init_pid, init_comm,
    ns_start (clock ticks since boot), age_seconds, processes, tasks, frozen ("",
    "v1" or "v2"), kept_by, signals (name to word), stop_signal, stop_signal_from
    ("option", "container", or "default", which is TERM), verdict ("stops at once",
    "waits for KILL", "can't be told", or "" where there is nothing to stop), why,
    ending (true if its init has already ended or was killed), passed_to (to whom
    the stop signal is passed on: pid, comm, by_pid, signal, sure, word, outcome),
    zombies (children of the init that it does not reap), container_id,
    container_name, runtime, image, pod, pod_namespace (empty if not known),
    container_nested (true if it was created inside that container), and
    container_claims (another container whose name its cgroup has; usually empty).

    \b
    Examples:
      sigtrace scan
      sigtrace scan web-1
      sigtrace scan 'shop/checkout-*'             all pods of a deployment
      sigtrace scan 4242                          the namespace of one process
      sigtrace scan --stop-signal RTMIN+3         for systemd in a container
      sigtrace scan --format json | jq -r 'select(.verdict == "waits for KILL").container_name'
    """
    from sigtrace.predict.scan import scan as look
    from sigtrace.predict.scan_row import STOP_SIGNALS, asked_about

    found = look(stop_signal, ns=namespaces, container=containers, pod=pods)
    seen, rows = found.survey, found.rows
    if output == "json":
        for row in rows:
            echo_json(row.as_dict())
    else:
        from sigtrace.cli.tree import print_tree

        print_tree(console(), rows, asked_about(stop_signal) if stop_signal else STOP_SIGNALS)
        click.echo("\n" + _summary(rows))
        if any(row.verdict == "stops at once" and row.why.startswith("if ") for row in rows):
            click.echo("Where it says `if`, the signal reaches the program; the rest is its own choice.")
    if seen.unreadable:
        what = f"{seen.unreadable} processes in other PID namespaces" if seen.unreadable > 1 else "a process"
        click.echo(f"sigtrace: {what} could not be read completely: run as root to see all", err=True)
    nameless = sum(_is_nameless(row) for row in rows)
    if nameless and not seen.unreadable and output == "table":
        which = (
            "1 container without a name: its"
            if nameless == 1
            else f"{nameless} containers without a name: their"
        )
        click.echo(
            f"sigtrace: {which} runtime's files are not where sigtrace looks; SIGTRACE_ROOTS says where "
            "(docs/containers.md)",
            err=True,
        )
    if seen.hidden:
        click.echo("sigtrace: /proc is mounted with hidepid: other users' processes are not listed", err=True)


def _is_nameless(row: ScanRow) -> bool:
    """Whether its runtime names containers, but none of the files with the names was found."""
    from sigtrace.containers.runtimes import registry

    container = row.request.container
    runtime = registry.of(container) if container else None
    if container is None or runtime is None or row.request.nested or not runtime.named_beside_id:
        return False
    return not (container.name or container.image or container.stop_signal) and len(container.id) == _LONG_ID


def _summary(rows: Iterable[ScanRow]) -> str:
    """How many namespaces have which verdict, with their containers' names if there are few."""
    groups: dict[str, list[ScanRow]] = {}
    for row in rows:
        if row.verdict or row.ending:
            groups.setdefault(row.verdict or "ending", []).append(row)
    total = sum(map(len, groups.values()))
    if not total:
        return "No PID namespace here can be stopped from outside: there are no containers."
    if total == 1:
        ((verdict, found),) = groups.items()
        return f"1 PID namespace{_named(found)}: {_ONE.get(verdict, verdict)}."
    parts = [
        f"{len(found)} {(_ONE if len(found) == 1 else _MANY).get(verdict, verdict)}{_named(found)}"
        for verdict, found in sorted(groups.items(), key=lambda group: -len(group[1]))
    ]
    text = f"{total} PID namespaces: {', '.join(parts)}."
    return textwrap.fill(text, 80, break_long_words=False, break_on_hyphens=False)


def _named(rows: list[ScanRow]) -> str:
    """Their containers, as ` (web-1, db)`; empty if one has no container of its own, or there are many."""
    containers = [row.request.container for row in rows if not row.request.nested]
    labels = [printable(container.label) for container in containers if container]
    return f" ({', '.join(labels)})" if len(labels) == len(rows) <= _FEW else ""
