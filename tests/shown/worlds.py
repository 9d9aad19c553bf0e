"""The worlds in which the pages' commands are run: real processes under the names that the pages use.

A container is a PID namespace with the cgroup and the file of a docker (`sigtrace.lab.fake_docker`); its runtime are
processes of the stage that are called like docker's. While the story of a world takes place, `record` and the `watch`
commands of its blocks run; all other commands run afterwards, or, before it, those that look at the host.
"""

from __future__ import annotations

import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sigtrace.lab.actor import Actor, Namespace
from sigtrace.lab.channel import wait_until
from sigtrace.lab.fake_docker import FakeDocker, fake_docker
from sigtrace.lab.scenarios.host import leave
from sigtrace.lab.stage import Stage
from sigtrace.lab.syscalls import CLONE_NEWPID
from tests.patience import patient
from tests.processes import children
from tests.shown.blocks import ROOT

_CLONE_NEWNET = 0x40000000
GRACE = 10.0
"""Seconds from a request to SIGKILL: those of `docker stop`, which sigtrace recognises."""


@dataclass
class Host:
    """A stage with docker's look-alikes on it."""

    stage: Stage
    docker: FakeDocker
    recording: Path
    named: dict[str, str] = field(default_factory=dict)
    """What a page calls a PID or an inode -> what it is in this run."""
    containers: list[str] = field(default_factory=list)
    mark: str = field(default_factory=lambda: f".{secrets.token_hex(1)}")
    """The end of the names of containers: other tests have a web-1 too, at the same time."""

    def __post_init__(self) -> None:
        self._dockerd = self.stage.actor()
        self._dockerd("name('dockerd')")
        self.shim = self._called(self._dockerd, "containerd-shim")

    def start(
        self, name: str, image: str, *command: str, pod: str = "", stop_signal: str = "", zombies: int = 0
    ) -> Namespace:
        """Start a container, with a network of its own; returns when its PID 1 runs the command.

        zombies: how many children it has that have ended.
        """
        self.containers.append(name)
        container_id = self.docker.create(name + self.mark, image, stop_signal, pod)
        shim = self._called(self._dockerd, "containerd-shim")
        shim.set("ignore", signal.SIGCHLD)  # so that it reaps at once, as shims do
        self.docker.adopt(shim.pid, container_id)
        shim(f"unshare({CLONE_NEWPID | _CLONE_NEWNET})")
        namespace = Namespace(shim)
        namespace.init(f"os.environ.__setitem__('PATH', {self.programs + ':/bin'!r})")
        namespace.init(f"[os.fork() or os._exit(0) for _ in range({zombies})]")
        namespace.init.become(*command)
        return namespace

    def send(self, namespace: Namespace, number: int) -> None:
        """Send a signal as docker does: by a runc that is a child of a shim."""
        runc = self._called(self.shim, "runc")
        runc.kill(namespace.init, number)
        leave(runc)

    def inside(self, namespace: Namespace, name: str, number: int) -> None:
        """Have a process inside send a signal to PID 1."""
        visitor = namespace.joined()
        visitor(f"name({name!r})")
        visitor(f"kill(1, {number})")
        leave(visitor)

    def stop(self, *namespaces: Namespace, by: int = signal.SIGTERM) -> None:
        """Stop containers as `docker stop` does, all at once; the first of those that do not end waits longest."""
        for each in namespaces:
            self.send(each, by)
        over = time.monotonic() + GRACE
        for each in reversed(namespaces):
            if each.init.fate(max(over - time.monotonic(), 0)).state == "running":
                self.send(each, signal.SIGKILL)
                each.init.fate(patient(10))

    @property
    def programs(self) -> str:
        """The directory of `program`."""
        return f"{self.recording.parent}/bin"

    def program(self, name: str, of: str = "/bin/busybox") -> str:
        """Return a program under another name."""
        os.makedirs(self.programs, exist_ok=True)
        os.symlink(of, f"{self.programs}/{name}")
        return f"{self.programs}/{name}"

    def command(self, words: str) -> list[str]:
        """Return the command line for bash of a page's, with this run's names in it."""
        for written, real in {**self.named, "/var/tmp/signals": str(self.recording)}.items():
            words = re.sub(rf"(?<!\w){re.escape(written)}\b", real, words)
        for name in (*self.containers, "web-*"):
            words = re.sub(rf"(?<![\w/-]){re.escape(name)}(?![\w-])", f"{name}{self.mark}", words)
        return ["bash", "-c", re.sub(r"\bsigtrace (?=[a-z])", f"{sys.executable} -m sigtrace ", words)]

    def as_shown(self, output: str) -> str:
        """Return an output with the names that a page uses."""
        return output.replace(self.mark, "").replace(str(self.recording), "/var/tmp/signals")

    @property
    def environment(self) -> dict[str, str]:
        """The environment of commands."""
        return {**os.environ, **self.docker.env, "PYTHONPATH": str(ROOT), "COLUMNS": "80"}

    @staticmethod
    def _called(parent: Actor, name: str) -> Actor:
        child = parent.fork()
        child(f"name({name!r})")
        return child


@dataclass(frozen=True)
class World:
    """What there is, and what happens."""

    begin: Callable[[Host], dict[str, Namespace]]
    """Start the containers, by name."""
    story: Callable[[Host, dict[str, Namespace]], None]
    """What happens while sigtrace records and watches."""


def _shop(host: Host) -> dict[str, Namespace]:
    web = host.start("web-1", "shop/web:2.1", "/bin/sleep", "1000")
    fixed = host.start("web-2", "shop/web:2.2", "/bin/sh", "-c", 'trap "exit 0" TERM; sleep 1000 & wait')
    jobs = host.start("jobs-1", "shop/jobs:1.4", "/bin/sleep", "1000", zombies=6)
    app = host.start("app", "shop/checkout:2", "/bin/sleep", "1000", pod="shop/checkout-7d4f")
    wait_until(lambda: signal.SIGTERM in fixed.init.mask("SigCgt"), "its handler")
    host.named |= {"4242": str(web.init.pid), "4026532249": str(web.inode)}
    return {"web-1": web, "web-2": fixed, "jobs-1": jobs, "app": app}


def _stops_of_the_shop(host: Host, there: dict[str, Namespace]) -> None:
    host.inside(there["web-1"], "kill", signal.SIGKILL)
    host.stop(there["web-1"])
    host.stop(there["web-2"])


def _passing(host: Host) -> dict[str, Namespace]:
    """Small inits that pass signals on: one to a program that ignores them, one to it through a shell."""
    app = host.program("app", "/bin/sleep")
    deaf = f"trap '' TERM; exec {app} 1000"
    through = f"trap 'kill $child' TERM; ({deaf}) & child=$!; while :; do wait; done"
    web = host.start("web-3", "shop/web:2.3", "/usr/bin/tini", "--", "/bin/sh", "-c", deaf)
    queue = host.start("queue-1", "shop/queue:3.1", "/usr/bin/tini", "--", "/bin/sh", "-c", through)
    for below in (web, queue):
        wait_until(lambda init=below.init: "app" in _family(init.pid), "the program below tini")
    return {"web-3": web, "queue-1": queue}


def _docker(host: Host) -> dict[str, Namespace]:
    """A web server behind a shell, as PID 1, and behind docker's init; and a queue with a stop signal of its own."""
    sh, httpd, init = host.program("sh"), host.program("httpd"), host.program("docker-init", "/usr/bin/tini")
    serve = ("-f", "-p", "8080", "-h", "/srv")
    quits = 'trap "sleep 0.3; exit 0" QUIT; sleep 1000 & wait'
    there = {
        "web-1": host.start("web-1", "shop/web:2.1", sh, "-c", f"httpd {' '.join(serve)}; true"),
        "web-2": host.start("web-2", "shop/web:2.2", httpd, *serve),
        "web-3": host.start("web-3", "shop/web:2.2", init, "--", httpd, *serve),
        "queue-1": host.start("queue-1", "shop/queue:1", sh, "-c", quits, stop_signal="SIGQUIT"),
    }
    for name in ("web-1", "web-3"):
        wait_until(lambda init=there[name].init: "httpd" in _family(init.pid), "the server")
    for name in ("web-2", "queue-1"):
        number = signal.SIGHUP if name == "web-2" else signal.SIGQUIT
        wait_until(lambda name=name, number=number: number in there[name].init.mask("SigCgt"), "its handler")
    return there


def _stops_of_docker(host: Host, there: dict[str, Namespace]) -> None:
    host.inside(there["web-1"], "kill", signal.SIGKILL)
    host.stop(there["queue-1"], by=signal.SIGQUIT)
    host.stop(there["web-1"], there["web-2"], there["web-3"])


def _family(pid: int) -> list[str]:
    """The names of the processes below one."""
    return [name for child, own in children(pid).items() for name in (own, *_family(child))]


WORLDS = {
    "host": World(lambda host: {}, lambda host, there: None),
    "docker": World(_docker, _stops_of_docker),
    "passing": World(_passing, lambda host, there: host.stop(there["queue-1"])),
    "shop": World(_shop, _stops_of_the_shop),
}
"""By the names that the pages use. On a `host`, there is nothing of ours."""


def outputs(name: str, commands: Iterable[str]) -> dict[str, str]:
    """Return what each of the commands says in the world of that name."""
    commands = list(dict.fromkeys(commands))
    with tempfile.TemporaryDirectory() as where:
        return _outputs(WORLDS[name], commands, Path(where, "signals"))


def _outputs(world: World, commands: list[str], where: Path) -> dict[str, str]:
    with fake_docker() as docker, Stage() as stage:
        host = Host(stage, docker, where)
        there = world.begin(host)
        if not there:
            return {each: _said(host, each) for each in commands}
        said = {each: _said(host, each) for each in commands if _looks_at_the_host(each)}
        chosen = [word for name in there for word in ("--container", name)]
        recorder = f"sigtrace record /var/tmp/signals --all {' '.join(chosen)}"
        watches = [each for each in commands if " watch" in each]
        with _listening(host, [recorder]) as recorded, _listening(host, watches) as watched:
            world.story(host, there)
        said |= watched | {each: next(iter(recorded.values())) for each in commands if " record" in each}
        return said | {each: _said(host, each) for each in commands if each not in said}


def _looks_at_the_host(command: str) -> bool:
    return command.split()[1] in ("scan", "explain") or "--live" in command


def _said(host: Host, command: str) -> str:
    """Run a command; returns both of its outputs, as a terminal shows them."""
    done = subprocess.run(
        host.command(command),
        env=host.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=patient(60),
        check=False,
    )
    assert done.returncode in (0, 3), done.stdout
    return host.as_shown(done.stdout)


@contextmanager
def _listening(host: Host, commands: list[str]) -> Iterator[dict[str, str]]:
    """Have commands that trace run until the end of the block; then the dictionary has what they said."""
    said: dict[str, str] = {}
    running = []
    try:
        for command in commands:
            process = subprocess.Popen(
                host.command(command.replace("sigtrace ", "exec sigtrace ")),
                env=host.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            running.append(process)
            assert process.stdout is not None
            said[command] = ""
            for line in process.stdout:
                said[command] += line
                if line.startswith("sigtrace: ready"):
                    break
        yield said
    finally:
        for process in running:
            process.send_signal(signal.SIGINT)
        for command, process in zip(commands, running, strict=True):
            assert process.stdout is not None
            with process.stdout as rest:  # what communicate() returns lacks what is in its buffer
                said[command] = host.as_shown(said[command] + rest.read())
            process.wait(timeout=patient(60))
