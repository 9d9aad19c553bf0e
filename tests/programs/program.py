"""What the tests say of a real program: how to start it as PID 1, what each signal does to it, and how it is judged."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
KILL = "KILL"
"""The fate of a program that did not end within the grace period."""

Told = Literal["told", "if", "untold", "if|untold"]
"""What `sigtrace scan` can know. `told`: what then happens. `if`: that the signal reaches the program, and that this
ends at once if the program chooses so, which nothing in /proc shows. `untold`: that nothing tells. `if|untold`: either,
depending on the moment."""


@dataclass(frozen=True)
class Stop:
    """What one stop signal does to a program, and what sigtrace has to say of it."""

    fate: str
    """`exit 0`; `HUP`: it dies of that signal; `KILL`: it does not end within the grace period."""
    scan: Told = "if"
    cause: str = ""
    """The first finding of the postmortem; empty: none, as after a stop that worked."""
    cause_by_inits: str = ""
    """The same in a recording of inits only, where it is another: nobody saw what the init sent to others."""
    who: str = ""
    """The process that the finding names, by its comm; empty: PID 1."""
    because: str = ""
    """What it does instead of ending, or with the signal, where that is a surprise."""
    look: float = 30.0
    """Seconds for which SIGKILL waits for a snapshot of it. The recorder takes none if the signal is ignored."""
    scan_errs: str = ""
    """How `scan` misjudges it as yet: its test is then expected to fail."""
    or_else: str = ""
    """Another fate, which a race makes of it at times."""
    postmortem_errs: str = ""
    """The same for the postmortem."""


@dataclass(frozen=True)
class Program:
    """A program as PID 1 of its own namespace, in files and a network of its own."""

    name: str
    command: tuple[str, ...]
    stops: Mapping[str, Stop]
    """By the signal: `TERM`."""
    ready: tuple[str, ...] = ()
    """When it has started, all of: `port 80`, `udp 53`, `file /run/x`, `log TEXT`, `child sleep`. Empty: it sleeps."""
    setup: str = ""
    """A script that runs before it: directories, configuration. /run, where it runs, /dev, /tmp, /var/lib and the like
    are its own."""
    stdin: bool = False
    """It reads from a pipe that nobody writes to, rather than from /dev/null."""
    optional: bool = False
    """It is too large for `scripts/setup.sh` to install it."""

    @property
    def missing(self) -> str:
        """The program that is not installed; empty if it is."""
        program = (
            self.command[self.command.index("--") + 1] if self.command[0] == "setpriv" else self.command[0]
        )
        return "" if shutil.which(program, path=PATH) or program.startswith("/run/") else program


# What several have in common ---------------------------------------------------------------------------

DROPPED = Stop(KILL, "told", "dropped-at-generate")
"""It has no handler."""
IGNORED = Stop(KILL, "told", "ignored-by-program", look=0)
SLOW = Stop(KILL, "if", "slow-handler")
"""It has a handler, which does not end it."""


def ends(fate: str = "exit 0", because: str = "") -> Stop:
    """It has a handler, or another way to take the signal, and ends."""
    return Stop(fate, because=because)


SLEEP = ("sleep", "1000")
NAP = ("child sleep",)
"""Ready when a child of it sleeps."""
