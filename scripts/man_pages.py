"""Write the manual pages, sigtrace(1) and one for each command, from the commands' help into a directory.

    python scripts/man_pages.py DIRECTORY

scripts/build_hook.py does the same when a wheel is built.
"""

from __future__ import annotations

import os
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

os.environ["COLUMNS"] = "80"  # of click's own wrapping, which is undone here

import click

from sigtrace._version import __version__
from sigtrace.cli import cli

_SPECIAL = {"\\": r"\e", "'": r"\(aq", "`": r"\(ga", "^": r"\(ha", "~": r"\(ti"}
_COMMON = """.SH EXIT STATUS
0, or 1 if sigtrace cannot do what was asked, 2 for bad input, 130 after Ctrl\\-C where a command does not end by it.
.B sigtrace postmortem
ends with 3 if it has found something, and with 4 if it has not, but records of that time were lost.
.SH ENVIRONMENT
.TP
.B SIGTRACE_ROOTS
Where the files of container runtimes are, if not in their usual places:
.I runtime=directory
or
.IR host=directory ,
separated by spaces.
"""


def text(words: str) -> str:
    """Return words as roff shows them literally, with minus signs where a shell wants them."""
    shown = "".join(_SPECIAL.get(letter, letter) for letter in words)
    shown = re.sub(r"(?<![A-Za-z0-9])-|(?<=-)-", r"\-", shown)
    return re.sub(r"^(?=\.)", r"\\&", shown, flags=re.M)


def literal(words: str) -> str:
    """Return words of which every hyphen is a minus sign."""
    return re.sub(r"(?<!\\)-", r"\-", text(words))


def page(name: str, command: click.Command, context: click.Context) -> str:
    """Return the manual page of a command, or of sigtrace itself."""
    title = "-".join(context.command_path.split())
    first = (command.short_help or (command.help or "").split("\n\n")[0]).replace("\n", " ").strip()
    return "\n".join(
        (
            f'.\\" Made by scripts/man_pages.py from the help of `{context.command_path}`.',
            f'.TH {literal(title.upper())} 1 "" "sigtrace {__version__}" "sigtrace"',
            ".nh\n.ad l",  # names of columns and options are not hyphenated, nor spread
            ".SH NAME",
            f"{literal(title)} \\- {text(first)}",
            ".SH SYNOPSIS",
            f".B {literal(context.command_path)}",
            literal(" ".join(command.collect_usage_pieces(context))),
            *_described(command.help or ""),
            *_options(command, context),
            *_commands(command, context),
            _COMMON + ".SH SEE ALSO",
            *_others(title),
            "",
        )
    )


def _described(help_text: str) -> Iterator[str]:
    """Yield the paragraphs; those that click does not wrap, after a line `\\b`, keep their lines."""
    section = ".SH DESCRIPTION"
    for paragraph in re.split(r"\n\s*\n", help_text.strip()):
        lines = paragraph.splitlines()
        kept = lines[0].strip() == "\b"
        if kept:
            lines = lines[1:]
        if lines and lines[0].strip() == "Examples:":
            yield ".SH EXAMPLES"
            lines = lines[1:]
        else:
            yield section or ".PP"
            section = ""
        if kept:
            yield from (".nf", *map(literal, textwrap.dedent("\n".join(lines)).splitlines()), ".fi")
        else:
            yield text(" ".join(line.strip() for line in lines))


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    records = [parameter.get_help_record(context) for parameter in command.get_params(context)]
    yield ".SH OPTIONS"
    for record in filter(None, records):
        yield from (".TP", f".B {literal(record[0])}", text(" ".join(record[1].split())))


def _commands(command: click.Command, context: click.Context) -> Iterator[str]:
    if isinstance(command, click.Group):
        yield ".SH COMMANDS"
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from (".TP", f".BR {literal(f'sigtrace-{name}')} (1)", text(below.get_short_help_str(200)))


def _others(title: str) -> Iterator[str]:
    names = ["sigtrace", *(f"sigtrace-{name}" for name in cli.list_commands(click.Context(cli)))]
    names.remove(title)
    for name in names:
        comma = "" if name == names[-1] else ' ","'
        yield f".BR {literal(name)} (1){comma}"


def pages() -> dict[str, str]:
    """Return the pages by the names of their files."""
    with click.Context(cli, info_name="sigtrace", help_option_names=["-h", "--help"]) as top:
        found = {"sigtrace.1": page("sigtrace", cli, top)}
        for name in cli.list_commands(top):
            command = cli.get_command(top, name)
            assert command is not None
            with click.Context(command, info_name=name, parent=top) as context:
                found[f"sigtrace-{name}.1"] = page(name, command, context)
    return found


def write(where: Path) -> list[Path]:
    """Write the pages into a directory; returns their files."""
    where.mkdir(parents=True, exist_ok=True)
    for name, content in (made := pages()).items():
        (where / name).write_text(content)
    return [where / name for name in made]


if __name__ == "__main__":
    write(Path(sys.argv[1]))
