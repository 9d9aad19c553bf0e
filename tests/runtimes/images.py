"""Ten images, as people build them: five hang for five reasons, five stop. Their programs are the host's, in /usr."""

from __future__ import annotations

import json
from dataclasses import dataclass

BASE = "localhost/base:1"
RUN = ("--network=none", "--volume=/usr:/usr:ro")
"""What each is run with: no network, and the host's programs."""


@dataclass(frozen=True)
class Built:
    """One image: its Dockerfile after FROM, and what `sigtrace check` has to say."""

    name: str
    lines: str
    cause: str = ""
    """Of the postmortem, for one that hangs; empty: it stops."""
    code: int = 0
    """Its exit code, if it stops."""
    signal: str = "SIGTERM"
    options: tuple[str, ...] = ()
    needs: str = ""
    """The program of the host that it needs."""


def _exec(*words: str) -> str:
    return f"CMD {json.dumps(words)}"


_BLOCKS = "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM]); signal.pause()"
_HANDLES = """import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
while True: signal.pause()"""

IMAGES = (
    Built("shell-form", "CMD sleep 1000; true", "shell-form"),
    Built("no-handler", _exec("sleep", "1000"), "dropped-at-generate"),
    Built("ignores", _exec("sh", "-c", "trap '' TERM; exec sleep 1000"), "ignored-by-program"),
    Built("blocks", _exec("/usr/bin/python3", "-c", _BLOCKS), "blocked-forever", needs="/usr/bin/python3"),
    Built(
        "waits",
        _exec("bash", "-c", "trap 'exit 0' TERM; sleep 1000; true"),
        "shell-form",
        needs="/usr/bin/bash",
    ),
    Built("exec-form", _exec("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done")),
    Built("tini", f'ENTRYPOINT ["tini", "--"]\n{_exec("sleep", "1000")}', code=143, needs="/usr/bin/tini"),
    Built(
        "init-option",
        _exec("sleep", "1000"),
        code=143,
        options=("--init",),
        needs="/usr/libexec/podman/catatonit",
    ),
    Built(
        "stopsignal",
        "STOPSIGNAL SIGQUIT\n" + _exec("sh", "-c", "trap 'exit 0' QUIT; while :; do sleep 0.1; done"),
        signal="SIGQUIT",
    ),
    Built("handles", f"USER 1234\n{_exec('/usr/bin/python3', '-c', _HANDLES)}", needs="/usr/bin/python3"),
)
