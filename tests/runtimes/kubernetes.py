"""A Kubernetes pod without a kubelet: the calls that a kubelet makes on containerd's CRI, made by the test."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from tests.patience import patient
from tests.runtimes.containerd import SOCKET, Daemon
from tests.runtimes.host import TOKEN
from tests.runtimes.runtime import Running, Spec, until

POD_NAMESPACE = "shop"
CONTAINER = "app"
_PAUSE = "registry.k8s.io/pause:3.9"
"""Of the sandbox: as Kubernetes' own, it waits, and ends at SIGTERM."""
_PAUSED = ("/bin/sh", "-c", "trap 'exit 0' INT TERM; while :; do sleep 1000 & wait; done")
_WITHOUT_CPU = """#!/bin/sh
# runc, in a cgroup2 that has no CPU controller: a sandbox's CPU shares could not be written there.
for word; do [ "$before" = --bundle ] && bundle=$word; before=$word; done
[ -z "$bundle" ] || sed -i 's/"cpu":{[^}]*}/"cpu":{}/' "$bundle/config.json"
exec runc "$@"
"""


class Kubernetes(Daemon):
    """Each container is the `app` of a pod of its own in the namespace `shop`; `Spec.name` is the pod's name."""

    name = "kubernetes"
    called = "containerd"
    asker = "CRI"
    namespace = "k8s.io"
    image = "docker.io/library/bb:1"
    shared = False
    """`shareProcessNamespace`: PID 1 is the pause container's."""
    settings = ((r"sandbox_image = .*", f'sandbox_image = "{_PAUSE}"'),)

    def available(self) -> str:
        try:
            import grpc_tools  # noqa: F401
        except ImportError:
            return "kubernetes needs grpcio-tools, to speak to containerd's CRI"
        return super().available()

    def set_up(self, stack: contextlib.ExitStack) -> None:
        os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")  # it would comment on every process we start
        import grpc

        if self.host.cgroups == "v2":
            program = self.host.root / "run" / "runc-without-cpu"
            program.write_text(_WITHOUT_CPU)
            program.chmod(0o755)
            self.settings = (*self.settings, (r'BinaryName = ""', 'BinaryName = "/run/runc-without-cpu"'))
        super().set_up(stack)
        self.image_of(_PAUSE, _PAUSED)
        self._sandboxes: dict[str, str] = {}
        self._messages, services = grpc.protos_and_services("tests/runtimes/cri.proto")
        channel = grpc.insecure_channel(f"unix://{self.host.root}{SOCKET}")
        stack.callback(channel.close)
        self._runtime = services.RuntimeServiceStub(channel)

    def _call(self, method: str, **fields: Any) -> Any:
        """One call of the CRI's RuntimeService."""
        request = getattr(self._messages, f"{method}Request")(**fields)
        return getattr(self._runtime, method)(request, timeout=patient(60))

    def _status(self, identity: str) -> Any:
        """Its ContainerStatus with `info`, JSON of containerd's own."""
        return self._call("ContainerStatus", container_id=identity, verbose=True)

    def known_as(self, name: str) -> dict[str, str]:
        return {"container_name": CONTAINER, "pod": self.real(name), "pod_namespace": POD_NAMESPACE}

    def choice(self, name: str) -> tuple[str, str]:
        return ("--pod", f"{POD_NAMESPACE}/{self.real(name)}")

    def create(self, spec: Spec) -> tuple[str, int]:
        return self.run_pod(spec, pid="POD" if self.shared else "CONTAINER")

    def run_pod(
        self,
        spec: Spec,
        pid: str,
        mounts: Sequence[Mapping[str, Any]] = (),
        env: Mapping[str, str] | None = None,
    ) -> tuple[str, int]:
        """A pod with one container, in a PID namespace of mode `pid` (NODE: the host's) -> its ID and its PID."""
        uid = str(uuid.uuid4())
        parent = f"/kubepods/burstable/pod{uid}"
        self.host.remember(parent)  # a kubelet would remove it with the pod
        context = {"namespace_options": {"network": "NODE", "pid": pid}, "privileged": spec.privileged}
        config = {
            "metadata": {"name": spec.name, "uid": uid, "namespace": POD_NAMESPACE},
            "log_directory": f"/run/log/pods/{POD_NAMESPACE}_{spec.name}_{uid}",
            "linux": {"cgroup_parent": parent, "security_context": context},
        }
        variables = {TOKEN: self.host.token, **(env or {})}
        container = {
            "metadata": {"name": CONTAINER},
            "image": {"image": self.image_for(spec)},
            "command": spec.command,
            "envs": [{"key": key, "value": value} for key, value in variables.items()],
            "mounts": mounts,
            "log_path": f"{CONTAINER}.log",
            "linux": {"security_context": context},
        }
        sandbox = self._sandboxes[spec.name] = self._call("RunPodSandbox", config=config).pod_sandbox_id
        fields = {"pod_sandbox_id": sandbox, "config": container, "sandbox_config": config}
        identity: str = self._call("CreateContainer", **fields).container_id
        self._call("StartContainer", container_id=identity)
        return identity, int(json.loads(self._status(identity).info["info"])["pid"])

    def run(self, spec: Spec) -> None:
        identity, _ = self.create(spec)
        exited = self._messages.CONTAINER_EXITED
        until(lambda: self._status(identity).status.state == exited, "the container has exited")

    def ask_to_stop(self, running: Running, grace: int) -> None:
        self._call("StopContainer", container_id=running.id, timeout=grace)

    def exit_code(self, running: Running) -> int | None:
        return int(self._status(running.id).status.exit_code)

    def exec(self, running: Running, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        done = self._call("ExecSync", container_id=running.id, cmd=command, timeout=20)
        out, err = (text.decode(errors="replace") for text in (done.stdout, done.stderr))
        return subprocess.CompletedProcess(list(command), done.exit_code, out, err)

    def remove(self, name: str) -> None:
        if sandbox := self._sandboxes.pop(name, None):
            self._call("StopPodSandbox", pod_sandbox_id=sandbox)
            self._call("RemovePodSandbox", pod_sandbox_id=sandbox)
