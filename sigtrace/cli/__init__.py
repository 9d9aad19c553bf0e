"""The command line: one thin module a command, imported when it is asked for.

`main` is the only place where our errors become a message and an exit code.
"""

from __future__ import annotations

import importlib
import io
import sys

import click

from sigtrace import __version__
from sigtrace.errors import BadInput, SigtraceError

_COMMANDS = ("watch", "scan", "explain", "doctor", "demo", "lab")
"""Each name is a module `sigtrace.cli.NAME` that defines the click command `NAME`; the order is that of --help."""

EXIT_FAILED, EXIT_USAGE = 1, 2


class Commands(click.Group):
    """A group whose commands are imported one by one, so that each start pays for its own command only."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"sigtrace.cli.{cmd_name}")
        command = getattr(module, cmd_name)
        assert isinstance(command, click.Command)
        return command


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", message="sigtrace %(version)s")
def cli() -> None:
    """Which signals did the kernel drop for a container's PID 1, and why?

    The init of a PID namespace is unkillable: a signal it has no handler for is
    silently discarded while the sender is told "success". sigtrace records it.

    \b
    Examples:
      sigtrace scan                          what would every container's PID 1 do?
      sigtrace watch                         show drops as they happen
      sigtrace explain --signal TERM --pid 4242
      sigtrace demo                          the whole story in seconds
    """


def main() -> None:
    """Run the command line; the console script's entry point."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal whose encoding lacks a character gets an escape
            stream.reconfigure(errors="backslashreplace")
    try:
        code = cli.main(prog_name="sigtrace", standalone_mode=False)
    except click.ClickException as err:
        err.show()
        code = err.exit_code
    except SigtraceError as err:
        click.echo(f"sigtrace: {err}", err=True)
        code = EXIT_USAGE if isinstance(err, BadInput) else EXIT_FAILED
    except (click.Abort, KeyboardInterrupt):
        code = 130
    sys.exit(code if isinstance(code, int) else 0)
