"""`sigtrace scan`: predict what the PID 1 of every container does when it is asked to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sigtrace.cli.exit_code import EXIT_FOUND
from sigtrace.cli.options import Signal, container_options, format_option, ns_option, targets_argument
from sigtrace.cli.output import console, echo_json
from sigtrace.units import number

if TYPE_CHECKING:
    from sigtrace.predict.overview import Overview
    from sigtrace.predict.scan import Scan

_FAILS = {"hang": ("waits for KILL",), "unknown": ("waits for KILL", "can't be told")}


@click.command(short_help="What happens when each container is stopped?")
@targets_argument
@ns_option
@container_options
@click.option(
    *("--stop-signal", "-s"),
    type=Signal(),
    help="The first signal of a stop. [default: each container's own, as set by STOPSIGNAL or KillSignal=, "
    "else TERM]",
)
@click.option(
    "--all", "everything", is_flag=True, help="Every PID namespace of the host, as a tree, with its inode."
)
@click.option(
    "--fail-on",
    type=click.Choice(list(_FAILS)),
    help="Exit with code 3 if a container listed would wait for KILL (hang), or also if it can't be told (unknown).",
)
@format_option
def scan(
    namespaces: tuple[str, ...],
    containers: tuple[str, ...],
    pods: tuple[str, ...],
    stop_signal: int | None,
    everything: bool,
    fail_on: str | None,
    output: str,
) -> None:
    """Predict what happens when each container is stopped: at once, or only by KILL.

    TARGET is a container, a pod (NAMESPACE/NAME), a PID or an inode; without one,
    all containers are listed. `sigtrace ps` is the same command.

    Lists the containers, worst first: those of one image with the same outcome as
    one entry, with the reason, and what the init (PID 1) does with TERM, INT, HUP
    and QUIT. `if` there means that the signal reaches the program, which may still
    choose not to end. Where the init is known to pass the signal on (tini,
    dumb-init, catatonit, s6, runit, supervisord, systemd ...), or is a shell, it is
    what becomes of it there that counts. PID namespaces of no container (browsers,
    sandboxes) are counted below; --ns and --all show them.

    \b
    drop     no handler, so the kernel discards it
    handle   runs its handler           take     by sigtimedwait or a signalfd
    ignore   SIG_IGN                    none     the default is to do nothing
    block    stays pending              die      ends it
    stopped  acts once resumed          frozen   acts once thawed
    stop     stops it until SIGCONT     dead     it is already ending
    drop?    most likely, but not all facts could be read

    Needs neither BPF nor root. Without root it sees less, and says so. The exit
    code is 0 whatever it finds, unless --fail-on is given.

    JSON Lines have a line for each PID namespace, the initial one too, with these
    keys: nsid, ns_level, parent_nsid, init_pid, init_comm,
    ns_start (clock ticks since boot), age_seconds, processes, tasks, frozen ("",
    "v1" or "v2"), kept_by, signals (name to word), stop_signal, stop_signal_from
    ("option", "container"; where TERM is assumed "default", or "unknown" if there
    may be another), verdict ("stops at once", "waits for KILL", "can't be told", or
    "" where there is nothing to stop), why,
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
      sigtrace scan --fail-on hang                exit code 3 if one hangs
      sigtrace scan --format json | jq -r 'select(.verdict == "waits for KILL").container_name'
    """
    from sigtrace.predict.overview import overview
    from sigtrace.predict.scan import scan as look

    found = look(stop_signal, ns=namespaces, container=containers, pod=pods)
    shown = overview(found.rows, every=bool(namespaces))
    if output == "json":
        for row in found.rows:
            echo_json(row.as_dict())
    else:
        if everything:
            _print_tree(found, stop_signal)
        else:
            _print_list(shown, details=bool(namespaces or containers or pods))
        _print_conclusion(found, shown)
    _notes(found, output)
    if fail_on and any(row.verdict in _FAILS[fail_on] for row in shown.rows):
        raise click.exceptions.Exit(EXIT_FOUND)


def _print_tree(found: Scan, stop_signal: int | None) -> None:
    from sigtrace.cli.tree import print_tree
    from sigtrace.predict.scan_row import STOP_SIGNALS, asked_about

    print_tree(console(), found.rows, asked_about(stop_signal) if stop_signal else STOP_SIGNALS)
    click.echo()


def _print_list(shown: Overview, details: bool) -> None:
    from sigtrace.cli.scan_list import print_list
    from sigtrace.cli.scan_summary import besides
    from sigtrace.cli.wrapping import wrapped

    print_list(console(), shown.listed, details)
    if shown.listed:
        click.echo()
    if others := besides(shown.besides):
        click.echo(wrapped(others))


def _print_conclusion(found: Scan, shown: Overview) -> None:
    from sigtrace.cli.scan_summary import conclusion
    from sigtrace.cli.wrapping import wrapped

    for sentence in conclusion(shown, found.containers):
        click.echo(wrapped(sentence))


def _notes(found: Scan, output: str) -> None:
    """Print on stderr what could not be seen."""
    seen = found.survey
    if seen.unreadable:
        what = f"{seen.unreadable} processes in other PID namespaces" if seen.unreadable > 1 else "a process"
        click.echo(f"sigtrace: {what} could not be read completely: run as root to see all", err=True)
    unread = sum(row.of_container and row.request.source == "unknown" for row in found.rows)
    if unread and not seen.unreadable and output == "table":
        one = unread == 1
        click.echo(
            f"sigtrace: the stop signal of {number(unread, 'container')} is not known: the files of "
            f"{'its runtime' if one else 'their runtimes'} are not where sigtrace looks; SIGTRACE_ROOTS says where "
            "(docs/containers.md)",
            err=True,
        )
    if seen.hidden:
        click.echo("sigtrace: /proc is mounted with hidepid: other users' processes are not listed", err=True)
