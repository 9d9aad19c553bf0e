"""Write sigtrace/completion/table.py: the commands, their options and the kinds of their values."""

from __future__ import annotations

import pprint
from pathlib import Path

import click

from sigtrace.cli import _ALIASES, cli
from sigtrace.cli.options import Moment, Signal
from sigtrace.lab.catalogue import EXPERIMENTS

HERE = Path(__file__).parents[1] / "sigtrace" / "completion" / "table.py"
_HEAD = '''"""The commands, their options and the kinds of their values. Made by `make docs`."""

from __future__ import annotations

'''
_ABOUT = 60
_WORDS = {Signal: "signals", Moment: ":today yesterday now 10m 1h"}


def kind(parameter: click.Parameter) -> str:
    """Return the kind of a parameter's value, for `sigtrace.completion.offers`; words that are known follow a colon."""
    offered = getattr(getattr(parameter, "_custom_shell_complete", None), "kind", "")
    if offered:
        return str(offered)
    if parameter.name == "name" and isinstance(parameter, click.Argument):
        return ":" + " ".join(["all", *(experiment.name for experiment in EXPERIMENTS)])
    if isinstance(parameter.type, click.Choice):
        return ":" + " ".join(map(str, parameter.type.choices))
    if isinstance(parameter.type, click.Path):
        return "directories" if parameter.metavar and "DIR" in parameter.metavar else "files"
    if "--from" in parameter.opts:
        return ":inside outside"
    return next((words for kinds, words in _WORDS.items() if isinstance(parameter.type, kinds)), "anything")


def table() -> str:
    """Return the module's text."""
    commands, about = {}, {}
    with click.Context(cli, info_name="sigtrace", help_option_names=["-h", "--help"]) as top:
        for name in cli.list_commands(top):
            command = cli.get_command(top, name)
            assert command is not None
            about[name] = (command.short_help or "")[:_ABOUT]
            options, arguments = {}, []
            with click.Context(command, parent=top) as context:
                for parameter in command.get_params(context):
                    if getattr(parameter, "hidden", False):
                        continue
                    if isinstance(parameter, click.Argument):
                        arguments.append(kind(parameter) + ("*" if parameter.nargs < 0 else ""))
                        continue
                    assert isinstance(parameter, click.Option)
                    valued = "" if parameter.is_flag or parameter.count else kind(parameter)
                    for each in (*parameter.opts, *parameter.secondary_opts):
                        options[each] = (valued, (parameter.help or "")[:_ABOUT], parameter.multiple)
            commands[name] = (options, tuple(arguments))
    shown = {
        "ALIASES: dict[str, str]": _ALIASES,
        "ABOUT: dict[str, str]": about,
        "COMMANDS: dict[str, tuple[dict[str, tuple[str, str, bool]], tuple[str, ...]]]": commands,
    }
    body = "\n".join(
        f"{name} = {pprint.pformat(value, width=118, sort_dicts=False)}" for name, value in shown.items()
    )
    return f"{_HEAD}# fmt: off\n# ruff: noqa: E501\n{body}\n"


if __name__ == "__main__":
    HERE.write_text(table())
