"""An interactive shell on a terminal, in which the Tab key is pressed."""

from __future__ import annotations

import os
import pty
import select
import signal
import time
from types import TracebackType

from tests.patience import patient

_COMMANDS = {
    "bash": ("bash", "--norc", "--noprofile", "-i"),
    "zsh": ("zsh", "-f", "-i"),
    "fish": ("fish", "-i"),
}


class Shell:
    """A context manager; the shell is killed at its end."""

    def __init__(self, name: str, env: dict[str, str]) -> None:
        self._command = _COMMANDS[name]
        self._env = {**env, "TERM": "xterm", "COLUMNS": "150"}
        self._got = ""

    def __enter__(self) -> Shell:
        self._pid, self._terminal = pty.fork()
        if self._pid == 0:
            os.execvpe(self._command[0], self._command, self._env)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._terminal)

    def says(self, line: str) -> None:
        """Run a line, and wait until it has been run."""
        self._press(f"{line}; echo REA''DY\r")
        self._wait("READY")

    def completes(self, line: str, completed: str) -> None:
        """Type the beginning of a line and a tab, and wait for what completes it; then discard the line."""
        self._press(f"{line}\t")
        self._wait(completed)
        self._press("\x15")

    def _press(self, keys: str) -> None:
        self._got = ""
        os.write(self._terminal, keys.encode())

    def _wait(self, text: str) -> None:
        end = time.monotonic() + patient(60)
        while text not in self._got:
            assert time.monotonic() < end, f"no {text!r} in {self._got!r}"
            if select.select([self._terminal], [], [], 0.1)[0]:
                self._got += os.read(self._terminal, 4096).decode(errors="replace")
