"""`sigtrace check`: will it stop? Runs a command as PID 1, stops it, and says what came of that."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from sigtrace.cli.exit_code import EXIT_FAILED
from sigtrace.cli.interrupt import terminated_like_ctrl_c
from sigtrace.cli.options import Duration, Signal, github_format_option
from sigtrace.cli.output import echo_json
from sigtrace.text import shorten

if TYPE_CHECKING:
    from sigtrace.check.plan import Plan
    from sigtrace.check.problems import Verdict
    from sigtrace.check.subject import Subject

EXIT_FAILS = 3
_WIDEST = 100
_COLOURS = {"passes": "green", "fails": "red", "not checked": "yellow"}


@click.command(
    short_help="Will this command or image stop?",
    context_settings={"allow_interspersed_args": False},
)
@click.argument("words", metavar="[--] COMMAND...", nargs=-1, type=click.UNPROCESSED)
@click.option("--image", metavar="REF", help="Check this image, in a container; COMMAND replaces its CMD.")
@click.option(
    "--pod",
    "--compose",
    "pod_file",
    metavar="FILE",
    help="Check the images of a Kubernetes manifest or a compose file, as it runs and stops them.",
)
@click.option(
    "--runtime", type=click.Choice(["podman", "docker"]), help="For images. [default: whichever is there]"
)
@click.option(
    "--run-arg",
    "run_args",
    metavar="OPTION",
    multiple=True,
    help="An option of `podman run`, as it is. Repeatable.",
)
@click.option(
    "--signal", "number", type=Signal(), help="The stop signal. [default: the image's STOPSIGNAL, else TERM]"
)
@click.option(
    "--grace", type=Duration(), help="From the stop signal to SIGKILL. [default: 10s, or as the file says]"
)
@click.option(
    "--max", "most", type=Duration(), help="The longest stop that passes. [default: the grace period]"
)
@click.option(
    "--ready",
    metavar="2s|PORT|REGEX",
    help="Stop it after that time, once that TCP port listens, or once its output has a match. "
    "[default: once it has settled by itself]",
)
@click.option(
    "--ready-within", type=Duration(), default="60s", show_default=True, help="How long to wait for that."
)
@click.option("--strict", is_flag=True, help="Fail on warnings too.")
@click.option(
    "--quick", is_flag=True, help="Only one run: no stop at the start, no second signal, no orphans."
)
@click.option(
    "--show-output", "whole_output", is_flag=True, help="Show what the command said, also if it passes."
)
@click.option("--junit", metavar="FILE", type=click.Path(dir_okay=False), help="Write JUnit XML as well.")
@github_format_option
def check(
    words: tuple[str, ...],
    image: str | None,
    pod_file: str | None,
    runtime: str | None,
    run_args: tuple[str, ...],
    number: int | None,
    grace: float | None,
    most: float | None,
    ready: str | None,
    ready_within: float,
    strict: bool,
    quick: bool,
    whole_output: bool,
    junit: str | None,
    output: str,
) -> None:
    """Check that a command stops when it is asked to, before it is in an image.

    Runs it as PID 1 of a fresh PID namespace, waits until it is ready, predicts
    what becomes of the stop signal, sends it as a container runtime does, and
    watches: it stops, or hangs until SIGKILL. That is what happened, not what was
    predicted; a hang is explained as in `sigtrace postmortem`, from the kernel's
    records where this host can trace, else from /proc.

    Further runs look for more: a stop signal right at the start that is lost, a
    second one that cuts the shutdown short, processes that are left to SIGKILL, zombies,
    and an exit code that docker and Kubernetes take for a failure.

    With --image the command is that of a container of podman or docker, with the
    image's own entrypoint, user and STOPSIGNAL. The container is removed in the end,
    the image that it was pulled for is not. --pod does it to the containers of a
    Kubernetes manifest (a pod, or what has a pod template) or of a compose file:
    with their words, variables, user, stop signal and grace period. Hooks are not
    run and volumes not mounted; it says so.

    Needs neither root nor BPF: without root the command runs in a user namespace.
    It has the network and the files of this host, no terminal and an empty stdin.
    Nothing is left of it, even if sigtrace is killed.

    The exit code is 0 if it passes, 3 if it fails, 1 if it could not be checked (it
    ended by itself), and 2 for bad input.

    JSON Lines have these keys: subject, result ("passes", "fails", "not checked"),
    signal, grace_seconds, max_seconds, ready, ready_seconds, stopped, seconds (from
    the signal to its end), exit_code (as a runtime shows it), exit_signal,
    predicted and predicted_why (as in scan), as_predicted, evidence_from ("kernel"
    or "proc"), problems (check, severity, summary, because, cause, advice,
    evidence), output (its last lines).

    \b
    Examples:
      sigtrace check --grace 2s -- sleep 1000
      sigtrace check --max 2s -- sh -c 'trap "exit 0" TERM; sleep 1000 & wait'
      sigtrace check --quick --ready 8123 -- python3 -m http.server 8123
      sigtrace check --image shop/web:2.1
      sigtrace check --image shop/web:2.1 --run-arg=--env=PORT=80 -- web --serve
      sigtrace check --pod deployment.yaml --junit check.xml
      sigtrace check --quick --format json -- sleep 1000 | jq -r .result
    """
    from sigtrace.check.plan import Plan, Ready, parse_ready
    from sigtrace.check.selection import Asked, subjects

    plan = Plan(
        most=most or 0.0,
        ready=parse_ready(ready) if ready else Ready(),
        ready_within=ready_within,
        quick=quick,
    )
    asked = Asked(words, image, pod_file, runtime, run_args, number, grace, plan)
    verdicts: list[Verdict] = []
    with terminated_like_ctrl_c(), _written(junit, verdicts):
        for verdict in _verdicts(subjects(asked), strict):
            verdicts.append(verdict)
            _print(verdict, output, whole_output)
    if code := _exit_code(verdict.result for verdict in verdicts):
        sys.exit(code)


@contextmanager
def _written(path: str | None, verdicts: list[Verdict]) -> Iterator[None]:
    """At the end of the block, write the verdicts as JUnit XML, also if not all could be had."""
    if path is None:
        yield
        return
    from sigtrace.check.junit import document

    with open(path, "wb") as file:  # what cannot be written is said before anything is run
        try:
            yield
        finally:
            file.write(document(verdicts))


def _verdicts(found: Iterable[tuple[Subject, Plan]], strict: bool) -> Iterator[Verdict]:
    """Check one subject after the other."""
    from sigtrace.check.examination import examine
    from sigtrace.check.problems import judge
    from sigtrace.check.witness import Witness

    with Witness() as witness:
        for subject, plan in found:
            if sys.stderr.isatty():
                click.echo(f"sigtrace: checking {shorten(subject.name, 60)}", err=True)
            yield judge(examine(subject, plan, witness), strict)


def _print(verdict: Verdict, output: str, whole_output: bool) -> None:
    from sigtrace.check.words import lines

    if output == "json":
        echo_json(verdict.as_dict())
        return
    if output == "github":
        from sigtrace.check.github import commands

        for line in commands(verdict):
            click.echo(line)
        return
    name, head, *rest = lines(
        verdict, min(max(shutil.get_terminal_size().columns, 80), _WIDEST) - 1, whole_output
    )
    click.secho(name, bold=True)
    word = verdict.result.upper()
    click.echo(head.replace(word, click.style(word, fg=_COLOURS[verdict.result], bold=True), 1))
    for line in rest:
        click.echo(line)


def _exit_code(results: Iterable[str]) -> int:
    found = set(results)
    return EXIT_FAILS if "fails" in found else EXIT_FAILED if "not checked" in found else 0
