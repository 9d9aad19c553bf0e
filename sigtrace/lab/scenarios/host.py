"""Start and stop simulated containers as a runtime would, while a recorder runs.

A container is a PID namespace with a real program as PID 1, in a cgroup with docker's name, and with docker's file
about it. The kernel treats it like any other container; only docker itself is missing.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sigtrace.errors import CannotTrace
from sigtrace.lab.actor import Actor, Namespace
from sigtrace.lab.channel import DEADLINE, ActorGone, wait_until
from sigtrace.lab.fake_docker import FakeDocker, fake_docker
from sigtrace.lab.stage import Stage
from sigtrace.lab.syscalls import CLONE_NEWPID

_MOST_SECONDS = 120
"""Limit for the recorder: it must not run on if its notebook is killed."""
_SHELL = "/bin/sh"


class ContainerHost:
    """Starts containers, sends them signals and stops them."""

    def __init__(self, stage: Stage, docker: FakeDocker) -> None:
        self._docker = docker
        self._runtime = stage.actor()
        self._runtime("name('runtime')")

    def start(self, name: str, image: str, script: str, catches: Sequence[int] = ()) -> Namespace:
        """Start a container whose PID 1 is `sh -c SCRIPT`, or the command itself if the script is a single command.

        Returns when PID 1 has handlers for the signals `catches`; if there are none, when it waits for its first child.
        """
        container_id = self._docker.create(name, image)
        shim = self._runtime.fork()
        shim("name('shim')")
        shim.set("ignore", signal.SIGCHLD)  # so that it reaps at once, as shims do
        self._docker.adopt(shim.pid, container_id)
        shim(f"unshare({CLONE_NEWPID})")
        namespace = Namespace(shim)
        init = namespace.init
        if ";" not in script:
            program, *arguments = script.split()
            init.become(f"/bin/{program}", *arguments)
            return namespace
        init.become(_SHELL, "-c", script)
        if catches:
            wait_until(lambda: set(catches) <= set(init.mask("SigCgt")), "its handlers")
        else:
            wait_until(lambda: _has_child(init.pid) and not init.mask("SigBlk"), "it to wait for its child")
        return namespace

    def send(self, namespace: Namespace, number: int) -> None:
        """Send a signal from outside, by a short-lived process of the runtime, as runtimes do."""
        sender = self._runtime.fork()
        sender("name('runtime-stop')")
        sender.kill(namespace.init, number)
        leave(sender)

    def enter(self, namespace: Namespace, name: str) -> Actor:
        """Start a process inside whose parent is outside, as `docker exec` does. Dismiss it before the end."""
        visitor = namespace.joined()
        visitor(f"name({name!r})")
        return visitor

    def stop(self, grace: float, *namespaces: Namespace, ask: bool = True) -> None:
        """Stop containers as `docker stop` does: SIGTERM, `grace` seconds, SIGKILL; returns when all have ended.

        ask: False if SIGTERM was already sent.
        """
        for each in namespaces if ask else ():
            self.send(each, signal.SIGTERM)
        deadline = time.monotonic() + grace
        stuck = [each for each in namespaces if not _ended(each, deadline - time.monotonic())]
        for each in stuck:
            self.send(each, signal.SIGKILL)
        for each in stuck:
            _ended(each, DEADLINE)


def leave(actor: Actor) -> None:
    """Let a process exit by itself, and reap it."""
    actor.channel.request("os._exit(0)")
    actor.fate()
    actor.dismiss()


@contextmanager
def container_host(
    directory: Path, names: Sequence[str], host: str = "", everything: bool = False
) -> Iterator[ContainerHost]:
    """Yield a host, while `sigtrace record` records the containers with these names.

    host: the host name in the recording, set in a UTS namespace of the recorder; by default the machine's own.
    everything: record also signals to other processes than inits. Raises CannotTrace, and StageFailed or OSError if
    the containers cannot be created.
    """
    with fake_docker() as docker, Stage() as stage:
        command = [sys.executable, "-m", "sigtrace", "record", str(directory), "--wait"]
        command += [word for name in names for word in ("--container", name)]
        command += ["--duration", f"{_MOST_SECONDS}s", *(["--all"] if everything else [])]
        if host:
            rename = 'echo "$0" > /proc/sys/kernel/hostname && exec "$@"'
            command = ["unshare", "--uts", _SHELL, "-c", rename, host, *command]
        with _recorder(command, {**os.environ, **docker.env}):
            yield ContainerHost(stage, docker)


@contextmanager
def _recorder(command: Sequence[str], env: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=env,
        start_new_session=True,  # interrupting the notebook must not reach it
    )  # fmt: skip
    with process:
        assert process.stderr is not None
        try:
            line = ""
            for line in process.stderr:
                if line.startswith("sigtrace: ready"):
                    break
            else:
                raise CannotTrace(line.strip().removeprefix("sigtrace: ") or "sigtrace record did not start")
            yield
        finally:
            process.send_signal(signal.SIGTERM)  # not SIGINT: it is ignored if our parent ignores it
            process.communicate()


def _ended(namespace: Namespace, seconds: float) -> bool:
    return namespace.init.fate(max(seconds, 0)).state != "running"


def _has_child(pid: int) -> bool:
    try:
        return bool(Path(f"/proc/{pid}/task/{pid}/children").read_text())
    except (FileNotFoundError, ProcessLookupError) as err:
        raise ActorGone(f"process {pid} is gone") from err
