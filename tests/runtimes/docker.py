"""docker, with a dockerd (and so a containerd) of its own."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Sequence
from typing import Any

from tests.runtimes.host import TOKEN
from tests.runtimes.runtime import Running, Runtime, Spec, until

_DAEMON = (
    "dockerd --iptables=false --ip6tables=false --bridge=none --ip-forward=false --oom-score-adjust=0 "
    "--storage-driver=overlay2 --exec-opt=native.cgroupdriver=cgroupfs --config-file=/run/daemon.json"
).split()


class Docker(Runtime):
    """Everything through the `docker` command."""

    name = "docker"
    called = "docker"
    commands = ("docker", "dockerd", "containerd", "runc")
    senders = ("runc",)
    asker = "dockerd"
    own_init = True
    image = "bb:1"
    configuration = "{}"
    """daemon.json."""

    def set_up(self, stack: contextlib.ExitStack) -> None:
        (self.host.root / "run/daemon.json").write_text(self.configuration)
        log = stack.enter_context((self.host.root / "run/dockerd.log").open("w"))
        daemon = self.host.spawn(*_DAEMON, stdout=log, stderr=log)
        stack.callback(daemon.wait, 20)
        stack.callback(daemon.terminate)
        until(lambda: self._answers(daemon), "dockerd answers")
        self.host.run("docker", "import", self.archive, self.image)

    def _answers(self, daemon: subprocess.Popen[str]) -> bool:
        assert daemon.poll() is None, (self.host.root / "run/dockerd.log").read_text()[-2000:]
        return self.host.run("docker", "version", check=False).returncode == 0

    def create(self, spec: Spec) -> tuple[str, int]:
        identity = self.host.run(
            "docker", "run", "--detach", *self._options(spec), self.image, *spec.command
        ).stdout
        return identity.strip(), self._state(spec.name)["Pid"]

    def run(self, spec: Spec) -> None:
        self.host.run("docker", "run", *self._options(spec), self.image, *spec.command)

    def ask_to_stop(self, running: Running, grace: int) -> None:
        self.host.run("docker", "stop", f"--time={grace}", running.name)

    def exit_code(self, running: Running) -> int | None:
        return int(self._state(running.name)["ExitCode"])

    def exec(self, running: Running, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return self.host.run("docker", "exec", running.name, *command, check=False)

    def remove(self, name: str) -> None:
        self.host.run("docker", "rm", "--force", name, check=False)

    def _state(self, name: str) -> dict[str, Any]:
        state: dict[str, Any] = json.loads(self.host.run("docker", "inspect", name).stdout)[0]["State"]
        return state

    def _options(self, spec: Spec) -> list[str]:
        words = [f"--name={spec.name}", "--network=none", f"--env={TOKEN}={self.host.token}"]
        if spec.stop_signal:
            words.append(f"--stop-signal={spec.stop_signal}")
        if spec.init:
            words.append("--init")
        if spec.privileged:
            # not --privileged: that asks for capabilities which a machine in a machine may lack
            words += ["--cap-add=SYS_ADMIN", "--security-opt=seccomp=unconfined"]
        return words
