"""Six shells, and the ways in which scripts start the program of a container."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tests.programs.program import DROPPED, IGNORED, KILL, NAP, Program, Stop, ends

_COMMANDS = {
    "dash": ("dash",),
    "bash": ("bash",),
    "busybox sh": ("busybox", "sh"),
    "mksh": ("mksh",),
    "ksh93": ("ksh",),
    "zsh": ("zsh",),
}
_EXEC = replace(DROPPED, because="the program is PID 1, and has no handler")
_WAITS = Stop(KILL, "told", "shell-form", because="the shell has no handler, and does not pass the signal on")
_TRAPPED = Stop(
    KILL, "untold", "shell-form", because="the trap runs only when the foreground command has ended"
)
_GOES_ON = replace(
    _TRAPPED, scan="if", cause_by_inits="slow-handler", because="the trap runs, and the script goes on"
)

FORMS = {
    "exec app": ("exec /bin/sleep 1000", _EXEC),
    "app": ("/bin/sleep 1000", replace(_EXEC, because="the shell runs exec by itself; dash does not")),
    "app; true": ("/bin/sleep 1000; true", _WAITS),
    "while :; do app; done": ("while :; do /bin/sleep 1000; done", _WAITS),
    "trap 'exit 0' TERM; app; true": ("trap 'exit 0' TERM; /bin/sleep 1000; true", _TRAPPED),
    "trap 'exit 0' TERM; app & wait": ("trap 'exit 0' TERM; /bin/sleep 1000 & wait", ends()),
    "trap 'kill $!' TERM; app & wait": ("trap 'kill $!' TERM; /bin/sleep 1000 & wait", ends("exit 143")),
    "trap 'kill $!' TERM; app & wait; wait": ("trap 'kill $!' TERM; /bin/sleep 1000 & wait; wait", ends()),
    "trap 'exit 0' TERM; while :; do sleep 0.1; done": (
        "trap 'exit 0' TERM; while :; do /bin/sleep 0.1; done",
        Stop("exit 0", "if|untold", because="when the foreground command ends, which is soon"),
    ),
    "trap : TERM; while :; do app & wait; done": (
        "trap : TERM; while :; do /bin/sleep 1000 & wait; done",
        _GOES_ON,
    ),
}
"""By the script as documentation has it: the script, and what becomes of it in most shells."""
OTHERWISE = {
    ("dash", "app"): replace(_WAITS, because=""),
    ("mksh", "app; true"): replace(_TRAPPED, because="mksh always has a handler"),
    ("mksh", "while :; do app; done"): replace(_TRAPPED, because=""),
    ("ksh93", "trap 'kill $!' TERM; app & wait"): ends("exit 1"),
    # zsh's wait has the status of the trap, unless it hears of the child's end first
    ("zsh", "trap 'kill $!' TERM; app & wait"): replace(ends("exit 143"), or_else="exit 0"),
}
_ENTRYPOINT = """printf '#!/bin/bash\\nset -e\\nnginx -c /run/nginx.conf\\n' >entrypoint; chmod +x entrypoint
printf 'daemon off; pid /run/nginx.pid; events {} http { server { listen 80; } }' >nginx.conf
mkdir /var/log/nginx /var/lib/nginx"""
_NEEDS_TTY = "an interactive shell ignores it, as in `docker run -it`"


def _forms() -> Iterator[Program]:
    for shell, command in _COMMANDS.items():
        for form, (script, usual) in FORMS.items():
            stop = OTHERWISE.get((shell, form), usual)
            execs = stop.cause == "dropped-at-generate"
            yield Program(
                f"{shell} -c {form!r}", (*command, "-c", script), {"TERM": stop}, () if execs else NAP
            )


OTHER_SHELLS = (
    Program(
        "dash -i", ("dash", "-i"), {"TERM": replace(IGNORED, because=_NEEDS_TTY), "HUP": DROPPED}, stdin=True
    ),
    Program(
        "bash -i",
        ("bash", "-i"),
        {"TERM": replace(IGNORED, because=_NEEDS_TTY), "HUP": ends("exit 129")},
        stdin=True,
    ),
    Program(
        "busybox sh -i",
        ("busybox", "sh", "-i"),
        {"TERM": replace(IGNORED, because=_NEEDS_TTY), "HUP": DROPPED},
        stdin=True,
    ),
    Program(
        "a script that runs nginx without exec",
        ("/run/entrypoint",),
        {"TERM": _WAITS, "QUIT": replace(IGNORED, because="bash ignores it in scripts")},
        ("port 80", "child nginx"),
        _ENTRYPOINT,
    ),
)
SHELLS = (*_forms(), *OTHER_SHELLS)
