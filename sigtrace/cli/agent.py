"""`sigtrace agent`: the recorder, metrics and health of a host, in one long-running process."""

from __future__ import annotations

import os
from pathlib import Path

import click

from sigtrace.cli.exit_code import EXIT_FAILED


@click.command(short_help="Record, serve metrics, and watch over itself: for every node.")
@click.option(
    "--config",
    "path",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Settings as TOML. [default: none, all settings have their defaults]",
)
@click.option("--check", is_flag=True, help="Say whether the settings can be used, and exit.")
@click.option("--defaults", is_flag=True, help="Print a FILE with all settings, their defaults and meanings.")
def agent(path: Path | None, check: bool, defaults: bool) -> None:
    """Record what happens to the inits of PID namespaces, and serve it as metrics.

    One process for every node: the flight recorder (as `sigtrace record`), metrics
    for Prometheus (signals dropped by container, durations of stops, stops that
    wait for SIGKILL now, containers that would hang if stopped now) with /metrics,
    /-/healthy and /-/ready on 127.0.0.1:9435, and what a service manager wants to
    know. docs/agent.md has all settings and metrics.

    Every setting is also an environment variable: record.max_size is
    SIGTRACE_AGENT_RECORD_MAX_SIZE. SIGHUP reads FILE again; one that cannot be
    used is refused, and the old one stays. SIGTERM and Ctrl-C end the agent when
    everything is written. Once attached it keeps only the capabilities that it
    still needs.

    \b
    Examples:
      sigtrace agent --defaults > agent.toml
      sigtrace agent --config agent.toml --check
      sudo sigtrace agent --config /etc/sigtrace/agent.toml
    """
    from sigtrace.agent import settings

    if defaults:
        click.echo("\n".join(settings.as_toml()).rstrip())
        return
    if check:
        settings.load(path, os.environ)
        click.echo("The settings can be used.")
        return
    from sigtrace.agent.run import Agent

    if not Agent(path, os.environ).run():
        raise click.exceptions.Exit(EXIT_FAILED)
