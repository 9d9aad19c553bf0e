"""The command line: one thin module per command, imported only when that command runs."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import sys

import click

from sigtrace import cpu
from sigtrace._version import __version__
from sigtrace.cli.exit_code import exit_code_of
from sigtrace.cli.interrupt import end_by_default
from sigtrace.text import printable

_COMMANDS = (
    *("watch", "top", "scan", "explain", "check", "record", "summary", "postmortem", "report", "export"),
    *("agent", "doctor", "demo", "lab", "completion"),
)
"""Each name is a module `sigtrace.cli.NAME` that defines the click command `NAME`; --help lists them in this order."""

_ALIASES = {"ps": "scan"}
"""What fingers type -> the command that it is."""

_AS_OPTIONS = {"help": "--help", "version": "--version"}
"""What fingers type -> the option that it is."""

_WITHOUT_NUMPY = ("scan", "explain", "doctor", "completion")
"""Commands that do without numpy and pyarrow, or say themselves that these cannot run here."""

_NEED_RUNTIME_FILES = ("watch", "top", "scan", "explain", "check", "record", "postmortem", "agent")
"""Commands that look up container names in the runtimes' files."""


class Commands(click.Group):
    """A group that imports a command when it is asked for, so that starting one does not pay for the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        if cmd_name not in _WITHOUT_NUMPY:
            cpu.require()
        module = importlib.import_module(f"sigtrace.cli.{cmd_name}")
        command = getattr(module, cmd_name)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the first word is for, also by an alias: its name, itself, its arguments.

        `help scan` is `scan --help`. Raises UsageError, with the nearest name, if there is no such command.
        """
        word, *rest = args
        word = _ALIASES.get(word, word)
        if word in _COMMANDS or ctx.resilient_parsing:
            return super().resolve_command(ctx, [word, *rest])
        if word == "help" and rest:
            return self.resolve_command(ctx, [rest[0], "--help"])
        if option := _AS_OPTIONS.get(word):
            self.parse_args(ctx, [option])  # prints, and raises Exit
        if word.startswith("-"):
            return super().resolve_command(ctx, args)
        import difflib

        near = difflib.get_close_matches(word, [*_COMMANDS, *_ALIASES, *_AS_OPTIONS], 1)
        hint = f"Did you mean {near[0]!r}?" if near else "`sigtrace --help` lists all."
        raise click.UsageError(f"No such command {word!r}. {hint}", ctx)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", message="sigtrace %(version)s")
@click.pass_context
def cli(context: click.Context) -> None:
    """Which signals did the kernel drop for a container's PID 1, and why?

    The init of a PID namespace is unkillable: a signal it has no handler for is
    silently discarded while the sender is told "success". sigtrace records it.

    \b
    Examples:
      sigtrace scan                          what would every container's PID 1 do?
      sigtrace watch                         show drops as they happen
      sigtrace explain --signal TERM --pid 4242
      sigtrace demo                          see a stop hang, and why
    """
    if context.invoked_subcommand in _NEED_RUNTIME_FILES and os.environ.get("SIGTRACE_ROOTS"):
        _warn_about_missing_roots()


def _warn_about_missing_roots() -> None:
    """Name the directories in $SIGTRACE_ROOTS that do not exist. Raises BadInput if the variable cannot be parsed."""
    from sigtrace.containers.paths import VARIABLE, Roots, missing

    for word in missing(Roots.from_environment()):
        click.echo(f"sigtrace: {VARIABLE}: there is no directory {printable(word)}", err=True)


def main() -> None:
    """Run the command line; the console script's entry point."""
    for number in range(3):  # the next file opened would take the number of a closed one
        with contextlib.suppress(OSError):
            os.fstat(number)
            continue
        os.open(os.devnull, os.O_RDWR)
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115 (open until the process exits)
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # escape characters that the terminal's encoding lacks
            stream.reconfigure(errors="backslashreplace")
    end_by_default()
    sys.exit(exit_code_of(lambda: cli.main(prog_name="sigtrace", standalone_mode=False)))
