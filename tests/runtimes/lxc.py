"""LXC: no daemon, a monitor a container, the root file system in a directory."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.runtimes.host import TOKEN
from tests.runtimes.runtime import Running, Runtime, Spec

_CONFIG = """\
lxc.uts.name = {name}
lxc.rootfs.path = dir:{directory}/rootfs
lxc.net.0.type = empty
lxc.tty.max = 0
lxc.mount.auto = proc:rw sys:ro
lxc.environment = {token}
lxc.init.cmd = {command}
"""


class Lxc(Runtime):
    """Everything through the `lxc-*` commands."""

    name = "lxc"
    called = "lxc"
    asker = "lxc-stop"
    commands = ("lxc-start", "lxc-stop", "lxc-attach", "lxc-info", "lxc-destroy")
    senders = ("lxc-stop", "lxc-start")
    default_stop = "SIGPWR"

    def set_up(self, stack: contextlib.ExitStack) -> None:
        self.host.remember("/lxc.pivot")  # where monitors go to remove their own groups

    def create(self, spec: Spec) -> tuple[str, int]:
        self._prepare(spec)
        self.host.run("lxc-start", "--name", spec.name, "--daemon")
        pid = self.host.run("lxc-info", "--name", spec.name, "--pid", "--no-humanize").stdout
        return spec.name, int(pid)

    def run(self, spec: Spec) -> None:
        self._prepare(spec)
        self.host.run("lxc-start", "--name", spec.name, "--foreground")

    def ask_to_stop(self, running: Running, grace: int) -> None:
        self.host.run("lxc-stop", "--name", running.id, f"--timeout={grace}")

    def exec(self, running: Running, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return self.host.run("lxc-attach", "--name", running.id, "--", *command, check=False)

    def remove(self, name: str) -> None:
        self.host.run("lxc-destroy", "--name", name, "--force", check=False)

    def _prepare(self, spec: Spec) -> None:
        directory = Path("/var/lib/lxc", spec.name)
        here = self.host.root / str(directory)[1:]
        shutil.copytree(self.rootfs, here / "rootfs", symlinks=True)
        command = " ".join(spec.command)
        if command.split() != list(spec.command):  # LXC splits at blanks, and knows no quotes
            (here / "rootfs" / "start").write_text(f"exec {shlex.join(spec.command)}\n")
            command = "/bin/sh /start"
        token = f"{TOKEN}={self.host.token}"
        config = _CONFIG.format(name=spec.name, directory=directory, token=token, command=command)
        if spec.stop_signal:
            config += f"lxc.signal.halt = {spec.stop_signal}\n"
        (here / "config").write_text(config)
