"""`sigtrace doctor`: whether this host can trace, and if not, what to install or grant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sigtrace.cli.options import format_option
from sigtrace.cli.output import console, echo_json
from sigtrace.text import printable

if TYPE_CHECKING:
    from sigtrace.doctor import Check

_STYLES = {"ok": "green", "warning": "yellow", "missing": "bold red"}


@click.command(short_help="Can this host trace, and if not, what to do?")
@format_option
@click.pass_context
def doctor(ctx: click.Context, output: str) -> None:
    """Check whether this host can trace, and if not, what to install or grant.

    Checks each requirement separately, then traces a harmless signal. The exit
    code is 0 only if that signal was recorded.

    \b
    Examples:
      sudo sigtrace doctor
      sigtrace doctor --format json | jq 'select(.status != "ok")'
      docker run --pid=host --cap-add BPF --cap-add PERFMON IMAGE sigtrace doctor
    """
    from sigtrace.doctor import CHECKS, Host, run_all, tracing_works

    checks = list(run_all(CHECKS, Host()))
    if output == "json":
        for check in checks:
            echo_json(check.row())
    else:
        _print_table(checks)
    ctx.exit(0 if tracing_works(checks) else 1)


def _print_table(checks: list[Check]) -> None:
    """One row per check; the remedy is printed below the detail."""
    from rich.table import Table
    from rich.text import Text

    from sigtrace.doctor import tracing_works

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for check in checks:
        style = _STYLES[check.status]
        words = Text(printable(check.detail))
        if check.remedy:
            words.append(f"\n-> {printable(check.remedy)}", style=style)
        table.add_row(Text(check.status, style=style), Text(check.name), words)
    out = console()
    out.print(table)
    if tracing_works(checks):
        out.print("\nThis host can trace.", style="bold green")
    else:
        missing = [check.name for check in checks[:-1] if check.status == "missing"]
        because = f" Missing: {', '.join(missing)}." if missing else ""
        out.print(f"\nThis host cannot trace as things are.{because}", style="bold red")
