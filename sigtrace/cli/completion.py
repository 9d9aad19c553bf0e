"""`sigtrace completion`: the script that makes the Tab key complete; and how options say what completes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from sigtrace.completion.shells import SCRIPTS

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

Completer = Callable[[click.Context, click.Parameter, str], "list[CompletionItem]"]


def completed(kind: str) -> Completer:
    """Say with what an option's or an argument's value is completed: a kind of `sigtrace.completion.offers`."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return []  # shells ask sigtrace.completion, which is faster; scripts/completion_table.py reads the kind

    complete.kind = kind  # type: ignore[attr-defined]
    return complete


@click.command(short_help="Print the script that makes the Tab key complete.")
@click.argument("shell", type=click.Choice(list(SCRIPTS)))
def completion(shell: str) -> None:
    """Print the script that completes commands, options, containers, pods and signals.

    SHELL is bash, zsh or fish. Behind sudo it completes too; in bash, if the
    package bash-completion is loaded. What is offered is what your user can see:
    to complete the containers of all users, set SIGTRACE_COMPLETION_PREFIX, for
    example to `sudo -n`, or use a root shell.

    \b
    In the start-up file of the shell:
      ~/.bashrc                    eval "$(sigtrace completion bash)"
      ~/.zshrc, after compinit     eval "$(sigtrace completion zsh)"
      ~/.config/fish/config.fish   sigtrace completion fish | source

    \b
    Examples:
      sigtrace completion bash > sigtrace.bash     a file to source
      sigtrace completion zsh > _sigtrace          for a directory of fpath
    """
    click.echo(SCRIPTS[shell], nl=False)
