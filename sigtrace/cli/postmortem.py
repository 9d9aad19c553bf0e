"""`sigtrace postmortem`: why a container did not stop, or does not stop."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sigtrace.cli.completion import completed
from sigtrace.cli.exit_code import EXIT_FOUND
from sigtrace.cli.live import say
from sigtrace.cli.options import (
    Duration,
    Moment,
    container_options,
    format_option,
    sorted_targets,
)
from sigtrace.cli.output import echo_json
from sigtrace.errors import BadInput, NoSuchContainer
from sigtrace.events.losses import Losses, reservation
from sigtrace.moments import FORMS
from sigtrace.text import printable

if TYPE_CHECKING:
    from sigtrace.containers.selector import ContainerSelector
    from sigtrace.postmortem import Case
    from sigtrace.postmortem.incarnation import Choice

EXIT_INCOMPLETE = 4


@click.command(short_help="Why did, or does, this container not stop?")
@click.argument(
    "words", metavar="[DIR]... [TARGET]", nargs=-1, shell_complete=completed("directories+targets")
)
@click.option("--live", is_flag=True, help="Examine this host as it is now, not a recording.")
@click.option(
    *("--ns", "-n", "--pid", "-p", "namespace"),
    metavar="NS",
    help="The PID namespace: an inode, or the PID of its init.",
)
@click.option("--at", type=Moment(), help=f"The state at this time: {FORMS}.")
@click.option(
    "--listen",
    type=Duration(),
    default="1s",
    show_default=True,
    help="With --live: how long to watch signals between two snapshots.",
)
@click.option(
    "--verbose",
    "-v",
    is_flag=True,
    help="Name all causes that were not checked; list alike containers one by one.",
)
@container_options
@format_option
def postmortem(
    words: tuple[str, ...],
    live: bool,
    namespace: str | None,
    at: int | None,
    listen: float,
    containers: tuple[str, ...],
    pods: tuple[str, ...],
    output: str,
    verbose: bool,
) -> None:
    """Explain why a container did not stop, or does not stop, with evidence.

    Reads recordings (`sigtrace record`), or without any this host. TARGET is a
    container, a pod (NAMESPACE/NAME), the PID of an init or an inode. Prints the
    timeline of the PID namespace: who asked it to stop (which runtime, or who
    called kill) and when, what became of the request, to whom an init passed it
    on, the grace period, SIGKILL, the exit, the deaths of its members. Then the
    findings, the one that explains the stop first: cause, evidence, what to do.
    Then what was ruled out. Without a target, or where it matches several
    namespaces, prints a list, the most stuck first, in which containers of one
    image that are alike are one entry (--verbose: one by one).

    Of this host, nothing is known about the time before. A finding that would
    explain a stop that hangs is "possible"; whatever blocks an exit is certain.

    JSON Lines are findings, one per line: cause, nsid, severity (error, warning,
    notice), confidence (certain, likely, possible), past (a state that is over),
    summary, evidence (a list), advice, path (the processes that a request went
    through), container_id, container_name, runtime, image, pod, pod_namespace,
    stop (null, or by, runtime, via, signal, grace_seconds, seconds, killed,
    ended), host, time (when the attempt to stop it began, or null).

    If records of that time were lost, that is said before all else: what was not
    found may have happened all the same. In JSON, records_lost has their number,
    and complete is false.

    The exit code is 0 without findings, 3 with findings, and 4 if nothing was found
    in what was recorded, and records were lost.

    \b
    Examples:
      sigtrace postmortem /var/tmp/signals                 what was stuck?
      sigtrace postmortem /var/tmp/signals web-1           why was it?
      sigtrace postmortem /var/tmp/signals shop/checkout-7d4f
      sigtrace postmortem /var/tmp/signals --ns 4026532249
      sigtrace postmortem web-1                            why does it not stop?
      sigtrace postmortem --live --json
    """
    directories = tuple(Path(word) for word in words if _is_directory(word))
    inodes, named = sorted_targets(word for word in words if not _is_directory(word))
    if live and directories:
        raise BadInput("--live examines this host as it is now: leave out the recording, or --live.")
    if not (live or words or namespace or containers or pods):
        raise BadInput(
            "name the directory of a recording, or for this host as it is now a container, or use --live."
        )
    live, containers = not directories, (*containers, *named)
    if len(inodes) > 1 or (inodes and namespace):
        raise BadInput("a postmortem is of one PID namespace: name one.")
    namespace = inodes[0] if inodes else namespace
    if live and at is not None:
        raise BadInput("--at is only for recordings: --live examines this host as it is now.")
    from sigtrace.containers.selector import ContainerSelector

    wanted = ContainerSelector(containers, pods)
    if namespace is not None and not wanted.empty:
        raise BadInput("use either --ns, or --container and --pod.")
    try:
        found = _live(namespace, wanted, listen) if live else _recorded(directories, namespace, wanted, at)
    except NoSuchContainer as err:
        if live and named:
            raise BadInput(f"{err.sentence}; there is no recording of this name either") from err
        raise
    if _explain(found.cases, output, verbose) if found.single else _list(found, output, verbose):
        sys.exit(EXIT_FOUND)
    if any(not losses.complete for losses in (found.losses, *(case.losses for case in found.cases))):
        sys.exit(EXIT_INCOMPLETE)


def _is_directory(word: str) -> bool:
    """Return whether a plain word is a recording: a directory, or a path that is none of /proc."""
    return os.path.isdir(word) or (word.startswith(("/", ".")) and not word.startswith("/proc/"))


@dataclass(frozen=True)
class _Found:
    """What there is to examine."""

    cases: list[Case]
    single: bool
    """They are of one namespace (on every host that has it)."""
    losses: Losses
    """What the time has lost that a list is about."""


def _live(namespace: str | None, wanted: ContainerSelector, listen: float) -> _Found:
    """The cases on this host."""
    from sigtrace.postmortem import from_live
    from sigtrace.procfs import pidns

    if namespace is not None:
        homes = [from_live.home_of(pidns.parse_ns(namespace))]
    else:
        homes = from_live.alive(wanted)
        if wanted.empty or len(homes) != 1:
            return _Found(list(from_live.all_live(listen, homes)), False, Losses())
    case, problem = from_live.live(homes[0], listen)
    if problem:
        say(problem)
    return _Found([case], True, Losses())


def _recorded(
    directories: Sequence[Path], namespace: str | None, wanted: ContainerSelector, at: int | None
) -> _Found:
    """The cases in recordings."""
    import sigtrace
    from sigtrace.postmortem import from_recording, incarnation
    from sigtrace.recording.selection import Selection

    with sigtrace.open(directories) as recording:
        if namespace is not None:
            choice = incarnation.by_name(recording, namespace, at)
            cases = from_recording.recorded(recording, choice.meant, at)
            if len(choice.every) > len(choice.meant) and at is None:
                shared = f"the inode {choice.every[-1].nsid}" if choice.one_inode else "this init"
                _name_others(choice, f"namespaces had {shared}, one after the other")
        elif len(found := [] if wanted.empty else from_recording.lives(recording, wanted, at)) == 1:
            choice = incarnation.of_container(recording, found[0], at)
            cases = from_recording.recorded(recording, choice.meant, at)
            if len(choice.every) > 1 and at is None:
                _name_others(choice, f"times {printable(found[0].container.label)} was started")
        else:
            last = None if wanted.empty else {each.namespaces[-1].home for each in found}
            until = Selection(until=None if at is None else at + 1)
            cases = list(from_recording.all_recorded(recording, until, last))
        for problem in recording.problems:
            say(problem)
        if single := namespace is not None or len(found) == 1:
            return _Found(cases, single, Losses())
        return _Found(cases, single, recording.losses_between(None, at))


def _name_others(choice: Choice, what: str) -> None:
    """Print that there are namespaces other than the one shown, and the options that select them."""
    from sigtrace.postmortem import incarnation

    shown = choice.meant[-1]
    which = "the last" if shown == choice.every[-1] else "the last that was asked to stop or has findings"
    say(f"{len(choice.every)} {what}: this is {which}; for another, use one of")
    for line in incarnation.others(choice.every, shown):
        say(line)


def _explain(cases: Sequence[Case], output: str, verbose: bool) -> bool:
    """Print the report of each case. Returns whether there are findings."""
    from sigtrace.cli.findings import print_report
    from sigtrace.postmortem import diagnose

    reports = [diagnose(case) for case in cases]
    for report in reports:
        for cause, error in report.failed:
            say(f"the check {cause.slug} failed: {error}")
        if output == "table":
            print_report(report, verbose)
            continue
        _say_reservation(report.reservation)
        for row in report.rows():
            echo_json(row)
    return any(report.findings for report in reports)


def _say_reservation(why: str) -> None:
    if why:
        say(f"not all is known: {why}")


def _list(found: _Found, output: str, verbose: bool) -> bool:
    """Print the cases, worst first. Returns whether there are findings."""
    from sigtrace.cli.standings import print_standings
    from sigtrace.postmortem.ranking import rank

    standings = rank(found.cases)
    if output == "table":
        print_standings(standings, found.losses, verbose)
    else:
        _say_reservation(reservation(found.losses))
        for standing in standings:
            for row in standing.report.rows():
                echo_json(row)
    return any(standing.report.findings for standing in standings)
