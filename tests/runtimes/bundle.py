"""runc and crun on bundles: no daemon, no images, no `stop`; people and scripts send the signals themselves."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.patience import patient
from tests.runtimes.host import TOKEN
from tests.runtimes.runtime import Running, Runtime, Spec, until


class Bundle(Runtime):
    """What runc and crun share: their command lines are the same."""

    told_by_cgroup = False
    program = ""
    default_devices: Any = None
    """What to put for the bundle's rules on devices; None leaves them as `spec` writes them."""

    def set_up(self, stack: contextlib.ExitStack) -> None:
        self._monitors: dict[str, subprocess.Popen[str]] = {}

    def create(self, spec: Spec) -> tuple[str, int]:
        # in the foreground, as under a supervisor: the runtime reaps the init, and passes its status on
        bundle, quiet = self._bundle(spec), subprocess.DEVNULL
        words = (self.program, "run", f"--bundle={bundle}", f"--pid-file={bundle}/pid", spec.name)
        self._monitors[spec.name] = self.host.spawn(*words, stdout=quiet, stderr=quiet)
        pid = until(lambda: self._pid(bundle), f"{self.program} has made the container")
        until(lambda: runs_command(pid), "the init runs its command")
        return spec.name, pid

    def _pid(self, bundle: Path) -> int:
        """The init's PID, 0 before it is known."""
        file = self.host.root / str(bundle)[1:] / "pid"
        return int(file.read_text() or 0) if file.exists() else 0

    def run(self, spec: Spec) -> None:
        self._oci("run", f"--bundle={self._bundle(spec)}", spec.name)

    def ask_to_stop(self, running: Running, grace: int) -> None:
        self._oci("kill", running.id, running.spec.stop_signal or self.default_stop)
        if not ends(running.init_pid, grace):
            self._oci("kill", running.id, "SIGKILL")

    def exit_code(self, running: Running) -> int | None:
        return self._monitors[running.name].wait(patient(20))

    def exec(self, running: Running, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return self._oci("exec", running.id, *command, check=False)

    def remove(self, name: str) -> None:
        self._oci("delete", "--force", name, check=False)
        if monitor := self._monitors.pop(name, None):
            monitor.wait(patient(20))

    def _oci(self, *words: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.host.run(self.program, *words, check=check)

    def _bundle(self, spec: Spec) -> Path:
        """A bundle with a root file system of its own, in the host's memory -> where the host has it."""
        bundle = Path("/run/bundles", spec.name)
        here = self.host.root / str(bundle)[1:]
        shutil.copytree(self.rootfs, here / "rootfs", symlinks=True)
        self._oci("spec", f"--bundle={bundle}")
        config = json.loads((here / "config.json").read_text())
        config["root"]["readonly"] = False
        process = config["process"]
        process.update(terminal=False, args=list(spec.command))
        process["env"].append(f"{TOKEN}={self.host.token}")
        if spec.stop_signal:  # what images' STOPSIGNAL becomes when they are made into bundles
            config["annotations"] = {"org.opencontainers.image.stopSignal": spec.stop_signal}
        if spec.privileged:
            for kind in ("bounding", "effective", "permitted"):
                process["capabilities"][kind].append("CAP_SYS_ADMIN")
        if self.default_devices is not None:
            config["linux"]["resources"]["devices"] = self.default_devices
        (here / "config.json").write_text(json.dumps(config))
        return bundle


class Runc(Bundle):
    """runc on its own."""

    name = "runc"
    called = "runc"
    asker = "runc"
    program = "runc"
    commands = ("runc",)
    senders = ("runc",)


class Crun(Bundle):
    """crun on its own."""

    name = "crun"
    called = "crun"
    asker = "crun"
    program = "crun"
    commands = ("crun",)
    senders = ("crun",)
    layouts = ("v1", "v2")  # it refuses a cgroup2 beside v1 controllers
    default_devices = ({"allow": True, "access": "rwm"},)
    """For a ban crun would raise RLIMIT_MEMLOCK first, which takes CAP_SYS_RESOURCE."""


def runs_command(pid: int) -> bool:
    """Whether an init has left its runtime's program for one of the tests' root file system, all of it in /bin."""
    return str(Path(f"/proc/{pid}/exe").readlink()).startswith("/bin/")


def ends(pid: int, timeout: float) -> bool:
    """Wait until a process has ended, reaped or not -> whether it has within `timeout` seconds."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([fd], [], [], timeout)[0])
    finally:
        os.close(fd)
