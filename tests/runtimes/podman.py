"""podman, on runc and on crun: no daemon, a conmon a container."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.runtimes.host import TOKEN
from tests.runtimes.runtime import Running, Runtime, Spec

# The limits are for machines without CAP_SYS_RESOURCE, and for a cgroup2 without controllers.
_CONFIGURATION = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
pids_limit = 0
[engine]
runtime = "{oci}"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""


class Podman(Runtime):
    """Everything through the `podman` command; `oci` does the work underneath."""

    called = "podman"
    oci = "runc"
    asker = "podman"
    own_init = True
    image = "localhost/bb:1"

    def set_up(self, stack: contextlib.ExitStack) -> None:
        (self.host.root / "run/containers.conf").write_text(_CONFIGURATION.format(oci=self.oci))
        self.host.remember("/libpod_parent/conmon")
        stack.callback(self.podman, "pod", "rm", "--all", "--force", check=False)
        self.podman("import", self.archive, self.image)

    def podman(self, *words: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run podman on the host; see `Host.run`."""
        configured = self.host.environment(CONTAINERS_CONF="/run/containers.conf")
        return self.host.run("podman", *words, check=check, env=configured)

    def create(self, spec: Spec) -> tuple[str, int]:
        identity = self.podman(
            "run", "--detach", *self._options(spec), self.image, *spec.command
        ).stdout.strip()
        return identity, int(self._state(spec.name)["Pid"])

    def run(self, spec: Spec) -> None:
        self.podman("run", *self._options(spec), self.image, *spec.command)

    def ask_to_stop(self, running: Running, grace: int) -> None:
        self.podman("stop", f"--time={grace}", running.name)

    def start_pod(self, pod: str, spec: Spec) -> None:
        """Start a pod with a container in it; `remove_all` ends the container, the host's end the rest."""
        identity = self.podman("pod", "create", f"--name={pod}", "--network=none").stdout.strip()
        self.host.remember(f"/libpod_parent/{identity}/conmon")
        own = [word for word in self._options(spec) if not word.startswith("--network")]
        self._names.append(spec.name)
        self.podman("run", "--detach", f"--pod={pod}", *own, self.image, *spec.command)

    def exit_code(self, running: Running) -> int | None:
        return int(self._state(running.name)["ExitCode"])

    def exec(self, running: Running, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return self.podman("exec", running.name, *command, check=False)

    def remove(self, name: str) -> None:
        self.podman("rm", "--force", "--time=0", name, check=False)

    def _state(self, name: str) -> dict[str, Any]:
        state: dict[str, Any] = json.loads(self.podman("inspect", name).stdout)[0]["State"]
        return state

    def _options(self, spec: Spec) -> list[str]:
        words = [f"--name={spec.name}", "--network=none", f"--env={TOKEN}={self.host.token}"]
        if spec.stop_signal:
            words.append(f"--stop-signal={spec.stop_signal}")
        if spec.init:
            words.append("--init")
        # crun raises RLIMIT_MEMLOCK for the device filter of a cgroup2; the privileged have none
        if spec.privileged or (self.oci == "crun" and self.host.cgroups == "v2"):
            words.append("--privileged")
        return words


class PodmanRunc(Podman):
    """podman on runc."""

    name = "podman-runc"
    oci = "runc"
    commands = ("podman", "conmon", "runc")
    senders = ("runc",)


class PodmanCrun(Podman):
    """podman on crun."""

    name = "podman-crun"
    oci = "crun"
    layouts = ("v1", "v2")  # crun refuses a cgroup2 beside v1 controllers
    commands = ("podman", "conmon", "crun")
    senders = ("crun",)
