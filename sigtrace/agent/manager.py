"""What the service manager is told: sd_notify(3), as documented, without a library. Nothing where there is none."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping


class Manager:
    """The service manager that started this process, by its environment.

    watchdog: seconds within which it wants to hear that all is well; None if it does not.
    """

    def __init__(self, env: Mapping[str, str]) -> None:
        path = env.get("NOTIFY_SOCKET", "")
        self._path = "\0" + path[1:] if path.startswith("@") else path
        ours = env.get("WATCHDOG_PID", "") in ("", str(os.getpid()))
        microseconds = env.get("WATCHDOG_USEC", "")
        wanted = bool(self._path) and ours and microseconds.isascii() and microseconds.isdigit()
        self.watchdog = int(microseconds) / 1e6 if wanted and int(microseconds) else None

    def tell(self, **state: str | int) -> None:
        """Send assignments such as READY=1, STATUS=text. Never fails: the manager may be gone."""
        if not self._path:
            return
        text = "\n".join(f"{name}={value}" for name, value in state.items())
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto(text.encode(errors="replace"), self._path)
