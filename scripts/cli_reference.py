"""Write the command reference, the output of `-h` of every command, as Markdown to stdout."""

from __future__ import annotations

import os

os.environ["COLUMNS"] = "80"  # click wraps to the terminal; the reference must not depend on it

import click

from sigtrace.cli import cli

HEAD = """# Commands

What `sigtrace COMMAND -h` says, made by `make docs`. `--format json` prints JSON Lines; the event table's columns
are in [events.md](events.md). Errors go to stderr as one sentence, after the usage line if it is
about an option; the exit code is 2 for bad input, 1 when sigtrace
cannot do what was asked, 130 after Ctrl-C where a command does not end by it.
"""


def reference() -> str:
    """Return the page."""
    parts = [HEAD]
    with click.Context(cli, info_name="sigtrace", help_option_names=["-h", "--help"]) as top:
        for name in cli.list_commands(top):
            command = cli.get_command(top, name)
            assert command is not None
            with click.Context(command, info_name=name, parent=top, terminal_width=80) as context:
                parts.append(f"\n## {name}\n\n```text\n{command.get_help(context)}\n```\n")
    return "".join(parts)


if __name__ == "__main__":
    print(reference(), end="")
