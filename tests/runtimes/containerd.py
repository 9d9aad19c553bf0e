"""containerd and its `ctr`, with a containerd of its own; the base of the kubelet's side in `kubernetes.py`."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import platform
import re
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.runtimes.bundle import ends
from tests.runtimes.host import TOKEN
from tests.runtimes.runtime import SLEEP, Running, Runtime, Spec, until

SOCKET = "/run/containerd/containerd.sock"
_SETTINGS = (
    (r"oom_score = .*", "oom_score = 0"),  # without CAP_SYS_RESOURCE it cannot be lowered
    (r"restrict_oom_score_adj = .*", "restrict_oom_score_adj = true"),
    (r'"/opt/containerd"', '"/run/opt-containerd"'),  # /opt is the machine's
)


class Daemon(Runtime):
    """A containerd on this host, and images in it."""

    commands = ("containerd", "ctr", "containerd-shim-runc-v2", "runc")
    senders = ("runc",)
    namespace = "default"
    """What containerd calls a namespace: whose containers these are."""
    settings: Sequence[tuple[str, str]] = ()
    """More changes to containerd's default configuration: patterns and what takes their place."""

    def set_up(self, stack: contextlib.ExitStack) -> None:
        self._images: set[str] = set()
        run = self.host.root / "run"
        config = self.host.run("containerd", "config", "default").stdout
        for pattern, text in (*_SETTINGS, *self.settings):
            config = re.sub(pattern, text, config)
        (run / "containerd.toml").write_text(config)
        log = stack.enter_context((run / "containerd.log").open("w"))
        daemon = self.host.spawn("containerd", "--config=/run/containerd.toml", stdout=log, stderr=log)
        stack.callback(daemon.wait, 20)
        stack.callback(daemon.terminate)
        until(lambda: self._answers(daemon), "containerd answers")

    def _answers(self, daemon: subprocess.Popen[str]) -> bool:
        assert daemon.poll() is None, (self.host.root / "run/containerd.log").read_text()[-2000:]
        return self.ctr("version", check=False).returncode == 0

    def ctr(self, *words: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `ctr` in this driver's namespace of containerd."""
        return self.host.run("ctr", f"--namespace={self.namespace}", *words, check=check)

    def image_for(self, spec: Spec) -> str:
        """An image with the container's stop signal, which is where containerd looks for it."""
        settings = {"StopSignal": spec.stop_signal} if spec.stop_signal else {}
        return self.image_of(f"docker.io/library/bb:{spec.stop_signal.lower() or '1'}", SLEEP, **settings)

    def image_of(self, reference: str, command: Sequence[str], **settings: str) -> str:
        """An image of that name, imported when new -> its name."""
        if reference not in self._images:
            archive = self.host.root / "run" / "image.tar"
            docker_archive(
                self.archive, archive, reference, {"Cmd": command, "Env": ["PATH=/bin"], **settings}
            )
            self.ctr("images", "import", "/run/image.tar")
            archive.unlink()
            self._images.add(reference)
        return reference


class Containerd(Daemon):
    """Everything through `ctr`, which has no stop of its own: its users signal, wait and kill."""

    name = "containerd"
    called = "containerd"
    told_by_cgroup = False
    asker = "containerd"
    image = "docker.io/library/bb:1"

    def create(self, spec: Spec) -> tuple[str, int]:
        self.ctr("run", "--detach", *self._words(spec))
        pid = Path(f"run/containerd/io.containerd.runtime.v2.task/{self.namespace}/{spec.name}/init.pid")
        return spec.name, int((self.host.root / pid).read_text())

    def run(self, spec: Spec) -> None:
        self.ctr("run", *self._words(spec))

    def ask_to_stop(self, running: Running, grace: int) -> None:
        self.ctr("tasks", "kill", running.id)
        if not ends(running.init_pid, grace):
            self.ctr("tasks", "kill", "--signal=SIGKILL", running.id)

    def exit_code(self, running: Running) -> int | None:
        said = until(lambda: self._deleted(running.id), "the task can be deleted")
        code = re.search(r"exit code (\d+)", said)
        return int(code[1]) if code else 0

    def _deleted(self, identity: str) -> str:
        done = self.ctr("tasks", "delete", identity, check=False)
        return "" if "must be stopped" in done.stderr else f"{done.stderr}{done.stdout}."

    def exec(self, running: Running, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return self.ctr("tasks", "exec", f"--exec-id=exec-{id(command)}", running.id, *command, check=False)

    def remove(self, name: str) -> None:
        self.ctr("tasks", "delete", "--force", name, check=False)
        self.ctr("containers", "delete", name, check=False)

    def _words(self, spec: Spec) -> list[str]:
        self.host.remember(f"/{self.namespace}/{spec.name}")
        # no CPU shares: a cgroup2 whose CPU controller v1 has taken could not keep them
        words = ["--cpu-shares=0", f"--env={TOKEN}={self.host.token}"]
        if spec.privileged:
            words.append("--privileged")
        return [*words, self.image_for(spec), spec.name, *spec.command]


def docker_archive(layer: Path, where: Path, reference: str, settings: Mapping[str, Any]) -> None:
    """Write an image of one layer and these settings to `where`, in the form of `docker save`."""
    content = layer.read_bytes()
    config = {
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine()),
        "os": "linux",
        "config": settings,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(content).hexdigest()}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [reference], "Layers": ["layer.tar"]}]
    files = {
        "config.json": json.dumps(config).encode(),
        "layer.tar": content,
        "manifest.json": json.dumps(manifest).encode(),
    }
    with tarfile.open(where, "w") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
