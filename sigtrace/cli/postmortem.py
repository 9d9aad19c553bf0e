"""`sigtrace postmortem`: why did, or does, this container not stop?"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sigtrace.cli.live import say
from sigtrace.cli.options import Duration, Moment, container_options, format_option
from sigtrace.cli.output import echo_json
from sigtrace.errors import BadInput
from sigtrace.text import printable

if TYPE_CHECKING:
    from sigtrace.containers.selector import ContainerSelector
    from sigtrace.postmortem import Case
    from sigtrace.recording.namespaces import RecordedNs

EXIT_FOUND = 3


@click.command(short_help="Why did, or does, this container not stop?")
@click.argument("directories", metavar="[DIR]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--live", is_flag=True, help="Look at this host as it is now, not at a recording.")
@click.option("--ns", "namespace", metavar="NS", help="The PID namespace: an inode, or the PID of its init.")
@click.option(
    "--at",
    type=Moment(),
    help="As it was at this time: 2026-11-22T07:53:45 in UTC, 07:53:45 for the last time it was that, or 10m for "
    "that long ago.",
)
@click.option(
    "--listen",
    type=Duration(),
    default="1s",
    show_default=True,
    help="With --live: how long to watch signals, between two snapshots.",
)
@container_options
@format_option
def postmortem(
    directories: tuple[Path, ...],
    live: bool,
    namespace: str | None,
    at: int | None,
    listen: float,
    containers: tuple[str, ...],
    pods: tuple[str, ...],
    output: str,
) -> None:
    """Why did, or does, a container not stop? A story with evidence.

    From recordings (`sigtrace record`), or with --live from this host. First the
    timeline of the namespace: who asked it to stop (which runtime, or whose
    kill) and when, what became of that, grace period, SIGKILL, exit, the deaths
    of its members. Then what was found, the gravest first: the cause, the
    evidence, what to do about it; and what was ruled out. Without --ns,
    --container or --pod, or where these mean several: a list, the most stuck
    first.

    With --live nothing is known of the time before: what would explain a stop
    that hangs is found as "possible", and whatever holds up an end as certain.

    JSON Lines are findings, one a line: cause, nsid, severity (error, warning,
    notice), confidence (certain, likely, possible), summary, evidence (a list),
    advice, container_id, container_name, runtime, image, pod, pod_namespace,
    stop (null, or by, runtime, via, signal, grace_seconds, seconds, killed,
    ended), host, time (when the attempt to stop it began, or null).

    The exit code is 0 if nothing was found and 3 if something was.

    \b
    Examples:
      sigtrace postmortem /var/tmp/signals                     who was stuck?
      sigtrace postmortem /var/tmp/signals --container web-1   and why?
      sigtrace postmortem /var/tmp/signals --pod shop/checkout-7d4f
      sigtrace postmortem /var/tmp/signals --ns 4026532249
      sigtrace postmortem --live --ns 4242
      sigtrace postmortem --live --format json
    """
    if bool(directories) == live:
        raise BadInput("give the directory of a recording, or --live for this host as it is now.")
    if live and at is not None:
        raise BadInput("--at is for recordings: --live looks at this host as it is now.")
    from sigtrace.containers.selector import ContainerSelector

    wanted = ContainerSelector(containers, pods)
    if namespace is not None and not wanted.empty:
        raise BadInput("give either --ns, or --container and --pod.")
    cases, one = _living(namespace, wanted, listen) if live else _recorded(directories, namespace, wanted, at)
    sys.exit(EXIT_FOUND if (_explain if one else _list)(cases, output) else 0)


def _living(namespace: str | None, wanted: ContainerSelector, listen: float) -> tuple[list[Case], bool]:
    """The cases on this host, and whether they are of one namespace that the user meant."""
    from sigtrace.postmortem import from_live
    from sigtrace.procfs import pidns

    if namespace is not None:
        nsid = pidns.parse_ns(namespace)
        whose = {nsid: from_live.home_of(nsid)}
    else:
        whose = from_live.alive(wanted)
        if wanted.empty or len(whose) != 1:
            return list(from_live.all_live(listen, whose)), False
    ((nsid, container),) = whose.items()
    case, problem = from_live.live(nsid, listen, container)
    if problem:
        say(problem)
    return [case], True


def _recorded(
    directories: Sequence[Path], namespace: str | None, wanted: ContainerSelector, at: int | None
) -> tuple[list[Case], bool]:
    """The cases of recordings, and whether they are of one namespace (on every host that has it)."""
    import sigtrace
    from sigtrace.postmortem import from_recording, incarnation
    from sigtrace.recording.selection import Selection, named

    with sigtrace.open(directories) as recording:
        if namespace is not None:
            meant = named(recording.spaces, namespace)
            chosen = from_recording.last_of_each_boot(
                [each for each in meant if at is None or each.born <= at] or meant
            )
            cases = from_recording.recorded(recording, chosen, at)
            if len(meant) > len(chosen) and at is None:
                had = (
                    f"the inode {meant[-1].nsid}" if len({each.nsid for each in meant}) == 1 else "this init"
                )
                _point_out(meant, meant[-1], f"namespaces had {had}, one after the other")
        elif len(found := [] if wanted.empty else from_recording.lives(recording, wanted, at)) == 1:
            meant = found[0].namespaces
            one = incarnation.telling(recording, meant) if at is None else meant[-1]
            cases = from_recording.recorded(recording, [one], at)
            if len(meant) > 1 and at is None:
                _point_out(meant, one, f"times {printable(found[0].container.label)} was started")
        else:
            last = None if wanted.empty else {each.namespaces[-1].home for each in found}
            until = Selection(until=None if at is None else at + 1)
            cases = list(from_recording.all_recorded(recording, until, last))
        for problem in recording.problems:
            say(problem)
    return cases, namespace is not None or len(found) == 1


def _point_out(namespaces: Sequence[RecordedNs], shown: RecordedNs, what: str) -> None:
    """That there are others than the one that is shown, and how to see these."""
    from sigtrace.postmortem import incarnation

    one = "the last" if shown == namespaces[-1] else "the last that was asked to stop or has findings"
    say(f"{len(namespaces)} {what}: this is {one}; for another, one of")
    for line in incarnation.others(namespaces, shown):
        say(line)


def _explain(cases: Sequence[Case], output: str) -> bool:
    """Tell the story of each case; whether anything was found."""
    from sigtrace.cli.findings import print_report
    from sigtrace.postmortem import diagnose

    reports = [diagnose(case) for case in cases]
    for report in reports:
        for cause, error in report.failed:
            say(f"the check {cause.slug} failed: {error}")
        if output == "table":
            print_report(report)
            continue
        for row in report.rows():
            echo_json(row)
    return any(report.findings for report in reports)


def _list(cases: Sequence[Case], output: str) -> bool:
    from sigtrace.cli.findings import print_standings
    from sigtrace.postmortem.ranking import rank

    standings = rank(cases)
    if output == "table":
        print_standings(standings)
    else:
        for standing in standings:
            for row in standing.report.rows():
                echo_json(row)
    return any(standing.report.findings for standing in standings)
