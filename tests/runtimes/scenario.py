"""One scenario for every runtime: containers are started, examined and stopped while sigtrace watches.

It runs once for a runtime and a layout of control groups; the claims then read what was recorded. A container that
fails makes the claims about it fail, and no others.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.patience import patient
from tests.processes import children
from tests.runtimes.host import Host
from tests.runtimes.impostor import impostor
from tests.runtimes.runtime import SLEEP, Running, Runtime, Spec, Stopped, trapping, until

Row = dict[str, Any]

PLAIN = "web-plain"
"""Without a handler; somebody inside sends it SIGKILL, then the runtime stops it."""
LATE = "web-late"
"""The same, started last."""
TRAP = "web-trap"
"""Has a handler for the request to stop."""
OWN_SIGNAL = "web-quit"
"""Has a handler for SIGQUIT, its own stop signal, and for nothing else."""
BRIEF = "web-brief"
"""Sends itself SIGTERM, and lives for 30 ms."""
NESTED = "web-nested"
"""Makes a PID namespace inside, whose init gets a SIGTERM."""
OWN_INIT = "web-init"
"""With the runtime's own `--init`, where it has one."""
DEAF = "web-deaf"
"""The same, and its program ignores SIGTERM."""
INITS = (OWN_INIT, "web-tini", "web-catatonit")
NAMES = (PLAIN, LATE, TRAP, OWN_SIGNAL, BRIEF, NESTED, DEAF, *INITS)
NESTING = ("/bin/unshare", "--pid", "--fork", *SLEEP)


WATCH, ONE, IMPOSTOR = "watch one impostor".split()
"""Steps without a container of their own: sigtrace watches BRIEF and LATE, records PLAIN, and looks at its IMPOSTOR."""


class Sigtrace:
    """A sigtrace that runs on a runtime's host until it is told to end; a context manager, ready when entered."""

    def __init__(self, host: Host, *words: str | Path) -> None:
        self._host = host
        self._words = words
        self.rows: list[Row] = []
        """What it said on stdout, in JSON; complete at the end."""

    def __enter__(self) -> Sigtrace:
        command = (sys.executable, "-m", "sigtrace", *self._words)
        pipe = subprocess.PIPE
        self._process = self._host.spawn(*command, stdout=pipe, stderr=pipe)
        assert self._process.stderr is not None
        said = []
        for line in self._process.stderr:
            if line.startswith("sigtrace: ready"):
                break
            said.append(line)
        else:
            raise RuntimeError(f"sigtrace {' '.join(map(str, self._words))}: {''.join(said)}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # its own pid: nsenter has become it
        self._process.send_signal(signal.SIGINT)
        out, self.said = self._process.communicate(timeout=patient(30))
        self.rows += [json.loads(line) for line in out.splitlines()]
        assert self._process.returncode == 0, self.said


def ask(host: Host, *words: str | Path) -> list[Row]:
    """What a sigtrace command on a runtime's host answers in JSON Lines; 3 as its exit status is "found something"."""
    done = host.run(sys.executable, "-m", "sigtrace", *words, "--format", "json", check=False)
    assert done.returncode in (0, 3), done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def ask_outside(host: Host, *words: str) -> list[Row]:
    """Like `ask`, from outside: as in a pod that has mounted the host's file system somewhere."""
    command = (sys.executable, "-m", "sigtrace", *words, "--format", "json")
    environment = host.environment(SIGTRACE_ROOTS=f"host={host.root}")
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=patient(60), check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


@dataclass
class ContainerResult:
    """What happened to one container, or to one sigtrace process."""

    running: Running | None = None
    stopped: Stopped | None = None
    scanned: Row = field(default_factory=dict)
    """Its line of `sigtrace scan`, before the stop."""
    scanned_outside: Row = field(default_factory=dict)
    """The same as an agent sees it that has the host's files elsewhere."""
    noted: Row = field(default_factory=dict)
    """Further facts for the claims."""
    failure: Exception | None = None


class Scenario:
    """The scenario, and what was recorded of it."""

    def __init__(self, runtime: Runtime, where: Path) -> None:
        self.runtime = runtime
        self.all = where / "all"
        """A recording of everything."""
        self.one = where / "one"
        """A recording of PLAIN only, begun when it ran already."""
        self.watched: list[Row] = []
        """What `watch` said of BRIEF and LATE; it was begun before these were started."""
        self._results: dict[str, ContainerResult] = {}

    def __getitem__(self, name: str) -> ContainerResult:
        """The result of a container; raises the exception that its steps raised."""
        result = self._results[name]
        if result.failure:
            raise result.failure
        return result

    def run(self) -> None:
        """Run all steps; about ten seconds."""
        host = self.runtime.host
        with contextlib.ExitStack() as stack:
            stack.enter_context(Sigtrace(host, "record", self.all))
            choice = (*self.runtime.choice(BRIEF), *self.runtime.choice(LATE), "--wait")
            watch = Sigtrace(host, "watch", *choice, "--format", "json")
            self._step(WATCH, lambda _: stack.enter_context(watch))
            self._start(Spec(PLAIN))
            record = Sigtrace(host, "record", self.one, *self.runtime.choice(PLAIN))
            self._step(ONE, lambda _: stack.enter_context(record))
            self._step(BRIEF, self._live_briefly)
            for spec in self._others():
                self._start(spec)
            if self.runtime.own_init:
                self._start(Spec(DEAF, ("/bin/sh", "-c", "trap '' TERM; exec sleep 1000"), init=True))
                self._step(DEAF, _wait_for_the_deaf)
            self._start(Spec(NESTED, NESTING, privileged=True))
            self._step(NESTED, self._signal_the_nested)
            self._start(Spec(LATE))
            for row in ask(host, "scan"):
                if result := self._result_of(row):
                    result.scanned = row
            self._step(IMPOSTOR, self._pretend)
            for row in ask_outside(host, "scan"):
                if result := self._result_of(row):
                    result.scanned_outside = row
            self._step(PLAIN, self._kill_from_inside)
            self._stop_all()
        self.watched = watch.rows

    def _result_of(self, row: Row) -> ContainerResult | None:
        """The result of the container whose PID namespace a row is of."""
        for result in self._results.values():
            if result.running and result.running.nsid == row["nsid"]:
                return result
        return None

    def _step(self, name: str, action: Callable[[ContainerResult], object]) -> None:
        """Run a step of a container, unless an earlier one has failed."""
        result = self._results.setdefault(name, ContainerResult())
        if result.failure is None:
            try:
                action(result)
            except Exception as failure:
                result.failure = failure

    def _start(self, spec: Spec) -> None:
        def action(result: ContainerResult) -> None:
            result.running = self.runtime.start(spec)

        self._step(spec.name, action)

    def _others(self) -> Iterator[Spec]:
        stop = self.runtime.default_stop
        yield Spec(TRAP, trapping(stop), handles=stop)
        yield Spec(OWN_SIGNAL, trapping("SIGQUIT"), handles="SIGQUIT", stop_signal="SIGQUIT")
        for name in filter(self.has_init, INITS):
            own = name == OWN_INIT
            yield Spec(name, SLEEP if own else (_program(name), "--", *SLEEP), init=own)

    def has_init(self, name: str) -> bool:
        """Whether there is such a small init here, of INITS."""
        return (
            self.runtime.own_init
            if name == OWN_INIT
            else Path(f"{self.runtime.rootfs}{_program(name)}").exists()
        )

    def _live_briefly(self, result: ContainerResult) -> None:
        self.runtime.run_to_end(Spec(BRIEF, ("/bin/sh", "-c", "kill -TERM $$; usleep 30000")))

    def _signal_the_nested(self, result: ContainerResult) -> None:
        """SIGTERM to the init of a namespace inside a container, from that container."""
        assert result.running
        outer = result.running.init_pid
        inner = until(lambda: _nested_init(outer), "the namespace inside the container has its init")
        result.noted["pid"], result.noted["nsid"] = inner, pid_namespace(inner)
        ids = _status(inner, "NSpid").split()
        assert len(ids) >= 3
        result.noted["kill"] = self.runtime.exec(result.running, ("/bin/kill", "-TERM", ids[-2])).returncode
        result.noted["lives"] = lives(inner)

    def _pretend(self, result: ContainerResult) -> None:
        """Have the nested init live in a cgroup that is called like PLAIN's, and look at it meanwhile."""
        plain, nested = self[PLAIN].running, self[NESTED].noted
        assert plain
        with impostor(nested["pid"], plain.init_pid, self.runtime.host.root):
            (result.scanned,) = (
                row for row in ask(self.runtime.host, "scan") if row["nsid"] == nested["nsid"]
            )
            chosen = ask(self.runtime.host, "scan", *self.runtime.choice(PLAIN))
            result.noted["chosen"] = {row["nsid"] for row in chosen}

    def _kill_from_inside(self, result: ContainerResult) -> None:
        assert result.running
        result.noted["kill"] = self.runtime.exec(result.running, ("/bin/kill", "-9", "1")).returncode
        result.noted["lives"] = lives(result.running.init_pid)

    def _stop_all(self) -> None:
        def action(result: ContainerResult) -> None:
            assert result.running
            result.stopped = self.runtime.stop(result.running)

        with ThreadPoolExecutor(3) as pool:
            for name, result in self._results.items():
                if result.running and name != NESTED:
                    pool.submit(self._step, name, action)


def _wait_for_the_deaf(result: ContainerResult) -> None:
    """Wait until the child of a container's init is the program that ignores SIGTERM."""
    assert result.running
    init = result.running.init_pid
    result.noted["pid"] = until(lambda: _child(init, "sleep"), "the init has its child")


def _program(name: str) -> str:
    """Of the container that it is the init of."""
    return f"/bin/{name.removeprefix('web-')}"


def lives(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return _status(pid, "State")[0] not in "ZX"
    except FileNotFoundError:
        return False


def pid_namespace(pid: int) -> int:
    """Inode of the PID namespace a process lives in."""
    return os.stat(f"/proc/{pid}/ns/pid").st_ino


def _status(pid: int, key: str) -> str:
    return Path(f"/proc/{pid}/status").read_text().partition(f"{key}:")[2].partition("\n")[0].strip()


def _child(parent: int, comm: str) -> int:
    """PID of a child of that name; 0 if there is none yet."""
    return next((child for child, name in children(parent).items() if name == comm), 0)


def _nested_init(outer: int) -> int:
    """PID of a child of `outer` that runs sleep(1) in another PID namespace; 0 if there is none yet."""
    for child, name in children(outer).items():
        with contextlib.suppress(FileNotFoundError):
            if name == "sleep" and pid_namespace(child) != pid_namespace(outer):
                return child
    return 0
