"""`sigtrace postmortem`: why did, or does, this container not stop?"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sigtrace.cli.live import say
from sigtrace.cli.options import Duration, Moment, format_option
from sigtrace.cli.output import echo_json
from sigtrace.errors import BadInput

if TYPE_CHECKING:
    from sigtrace.postmortem import Case

EXIT_FOUND = 3


@click.command(short_help="Why did, or does, this container not stop?")
@click.argument("directories", metavar="[DIR]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--live", is_flag=True, help="Look at this host as it is now, not at a recording.")
@click.option("--ns", "namespace", metavar="NS", help="The PID namespace: an inode, or the PID of its init.")
@click.option(
    "--at",
    type=Moment(),
    help="As it was at this time: 2026-11-22T07:53:45 in UTC, or 10m for that long ago.",
)
@click.option(
    "--listen",
    type=Duration(),
    default="1s",
    show_default=True,
    help="With --live: how long to watch signals, between two snapshots.",
)
@format_option
def postmortem(
    directories: tuple[Path, ...],
    live: bool,
    namespace: str | None,
    at: int | None,
    listen: float,
    output: str,
) -> None:
    """Why did, or does, a container not stop? A story with evidence.

    From recordings (`sigtrace record`), or with --live from this host. First the
    timeline of the namespace: who asked it to stop and when, what became of that,
    grace period, SIGKILL, exit, the deaths of its members. Then what was found,
    the gravest first: the cause, the evidence, what to do about it; and what was
    ruled out. Without --ns, all namespaces, the most stuck first.

    With --live nothing is known of the time before: what would explain a stop
    that hangs is found as "possible", and whatever holds up an end as certain.

    JSON Lines are findings, one a line: cause, nsid, container_name, severity
    (error, warning, notice), confidence (certain, likely, possible), summary,
    evidence (a list), advice, host.

    The exit code is 0 if nothing was found and 3 if something was.

    \b
    Examples:
      sigtrace postmortem /var/tmp/signals                     who was stuck?
      sigtrace postmortem /var/tmp/signals --ns 4026532249     and why?
      sigtrace postmortem --live --ns 4242
      sigtrace postmortem --live --format json
    """
    if bool(directories) == live:
        raise BadInput("give the directory of a recording, or --live for this host as it is now.")
    if live and at is not None:
        raise BadInput("--at is for recordings: --live looks at this host as it is now.")
    if namespace is None:
        found = _list(_all(directories, live, at, listen), output)
    else:
        found = _explain(_cases(directories, live, namespace, at, listen), output)
    sys.exit(EXIT_FOUND if found else 0)


def _cases(
    directories: Sequence[Path], live: bool, namespace: str, at: int | None, listen: float
) -> list[Case]:
    """The namespace that the user named, on every host that has it."""
    from sigtrace.postmortem import sources

    if live:
        from sigtrace import pidns

        case, problem = sources.live(pidns.parse_ns(namespace), listen)
        if problem:
            say(problem)
        return [case]
    import sigtrace

    with sigtrace.open(directories) as recording:
        nsid, ns_start = sources.named(recording, namespace)
        cases = sources.recorded(recording, nsid, ns_start, at)
        count = 1 if ns_start else sources.namesakes(recording, nsid)
        if count > 1 and at is None:
            say(
                f"{count} namespaces had the inode {nsid}, one after the other: this is the last; for another, --at"
            )
        _caveats(recording.problems)
    return cases


def _all(directories: Sequence[Path], live: bool, at: int | None, listen: float) -> list[Case]:
    from sigtrace.postmortem import sources

    if live:
        return list(sources.all_live(listen))
    import sigtrace

    with sigtrace.open(directories) as recording:
        cases = list(sources.all_recorded(recording, at))
        _caveats(recording.problems)
    return cases


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
        for finding in report.findings:
            echo_json({**finding.as_dict(), "host": report.case.host})
    return any(report.findings for report in reports)


def _list(cases: Sequence[Case], output: str) -> bool:
    from sigtrace.cli.findings import print_standings
    from sigtrace.postmortem.ranking import rank

    standings = rank(cases)
    if output == "table":
        print_standings(standings)
    else:
        for standing in standings:
            for finding in standing.report.findings:
                echo_json({**finding.as_dict(), "host": standing.report.case.host})
    return any(standing.report.findings for standing in standings)


def _caveats(problems: Sequence[str]) -> None:
    for problem in problems:
        say(problem)
