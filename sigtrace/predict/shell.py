"""What a shell waits for: a foreground command, after which it runs its traps, or its background children.

A shell that waits for a foreground command holds a trapped signal back until that has ended. In the builtin `wait` it
runs the trap at once (POSIX, Shell Command Language, 2.11 and `wait`); `trap ... TERM; app & wait` relies on that. What
tells the two apart, tried with dash 0.5.12, bash 5.2, the ash of busybox 1.35, mksh R59, ksh93 and zsh 5.9:

- dash and ash sleep in sigsuspend(2) in `wait`, and in wait4(2) for a foreground command. bash and ksh93 are in
  wait4(2) in both, mksh and zsh in sigsuspend(2).
- A command that a shell without job control starts by `&` has SIGINT and SIGQUIT ignored; one in the foreground has
  what the shell was started with. A program may set a handler for one of them (the JVM for SIGQUIT) or for both.
- bash does not do that with job control (`set -m`), whose children have process groups of their own. Nor does it for
  the last command of a list, as in `(trap '' HUP; app) &`, which therefore looks as if it was in the foreground.

No I/O: facts of /proc, live or from a snapshot.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from sigtrace.procfs.signal_target import Relative, Target
from sigtrace.signals import INT, QUIT, has

_ALWAYS_SUSPENDED = ("mksh", "zsh")
_RESETS = ("node", "npm", "MainThread")
"""Beginnings of the comm of Node.js, which sets all signals to SIG_DFL when it starts, whatever it was started with."""


@dataclass(frozen=True)
class Waiting:
    """What a shell waits for."""

    mode: Literal["nothing", "foreground", "background", "unknown"]
    """nothing: it has no child. foreground: most likely it waits for one. background: it runs a trap at once.
    unknown: nothing tells."""
    children: tuple[Relative, ...] = ()
    """Those that matter: its foreground command, or those that may be it, or its background children."""


def waiting(shell: Target) -> Waiting:
    """Return what a shell waits for; `unknown` without children if the kernel does not show them."""
    if shell.children is None:
        return Waiting("unknown")
    own = Relative(shell.pid, pgrp=shell.pgrp, session=shell.session, ignored=shell.ignored)
    return waits_for(shell.wchan, own, shell.children, shell.shell)


def waits_for(wchan: str, shell: Relative, children: Iterable[Relative], name: str = "") -> Waiting:
    """Return what a shell waits for, from the kernel function that it sleeps in, and its children's masks.

    name: which shell it is: `process.shell_name`.
    """
    alive = waited_for(shell, [each for each in children if each.state not in "ZX"])
    if not alive:
        return Waiting("nothing")
    if "sigsuspend" in wchan and name not in _ALWAYS_SUSPENDED:
        return Waiting("background", alive)
    front = tuple(each for each in alive if _started(each, shell) == "foreground")
    open_ = tuple(each for each in alive if _started(each, shell) == "unknown")
    if front:
        return Waiting("foreground", front)
    return Waiting("unknown", open_) if open_ else Waiting("background", alive)


def waited_for(shell: Relative, children: Sequence[Relative]) -> tuple[Relative, ...]:
    """Return the children that a shell may wait for.

    As PID 1 it inherits orphans too, which no shell waits for. Daemons have a session of their own; the commands of a
    script are in the shell's, unless one was made for them.
    """
    known = shell.session and any(each.session == shell.session for each in children)
    return tuple(each for each in children if not known or each.session == shell.session)


def _started(child: Relative, shell: Relative) -> Literal["foreground", "background", "unknown"]:
    """Return how a shell has started a child."""
    if has(shell.ignored, INT):  # then its children ignore it anyway
        return "unknown"
    if has(child.ignored, INT) or has(child.ignored, QUIT):
        return "background"
    if child.pgrp and shell.pgrp and child.pgrp != shell.pgrp:
        return "unknown"  # job control, or a group of its own making
    set_by_itself = has(child.caught, INT) and has(child.caught, QUIT)
    return "unknown" if set_by_itself or child.comm.startswith(_RESETS) else "foreground"
