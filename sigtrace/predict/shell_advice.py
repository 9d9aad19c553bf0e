"""What to do about a shell as PID 1 that does not pass signals on, in words that its user can follow."""

from __future__ import annotations

from collections.abc import Sequence

from sigtrace.procfs.process import is_shell
from sigtrace.text import shorten

_PACKAGED = (
    "/usr/bin/",
    "/usr/sbin/",
    "/usr/lib/",
    "/usr/libexec/",
    "/usr/share/",
    "/bin/",
    "/sbin/",
    "/opt/",
)
"""Where packages have their scripts; the user's own are elsewhere, in /usr/local/bin too."""


def packaged_script(cmdline: Sequence[str]) -> str:
    """Return the script that a shell runs if it is part of a package, which its user does not edit; else empty."""
    script = next((word for word in cmdline[1:2] if word.startswith(_PACKAGED)), "")
    return script if script and is_shell("", cmdline[:1]) else ""


def against_a_shell(cmdline: Sequence[str], behind: str, small_init: str) -> list[str]:
    """Return what makes a stop reach the program behind a shell, the best first.

    behind: the names of the shell's children; empty if they are not known. small_init: how to run one here.
    """
    program = behind or "the program behind it"
    quick = (
        f"run a small init as PID 1 ({small_init}): the stop is quick then, but {program} is killed unasked"
    )
    script = packaged_script(cmdline)
    if not script:
        return [
            'PID 1 is a shell: use the exec form, ENTRYPOINT ["program"], or end its script with exec',
            quick,
        ]
    return [
        f"PID 1 is {shorten(script, 60)}, the script of a package, which starts {program} and waits for it: start that "
        "program itself, as `ps` shows it",
        "stop it by its own command, inside the container, before the container is stopped",
        quick,
    ]
