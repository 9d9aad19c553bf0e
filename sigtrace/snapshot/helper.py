"""The helper: a process that reads /proc for us, and that can be killed when a file of it hangs.

A fresh interpreter (`python -I -S`), never a fork of ours: the recorder has threads. It lives on between
snapshots, so that one costs no more than its reading; requests and rows are JSON Lines on its two pipes.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import select
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from types import TracebackType

from sigtrace.snapshot.columns import COLUMNS, Row, row
from sigtrace.snapshot.reading import Request, read

DEADLINE = 2.0
"""Seconds a snapshot may take."""
_GLANCE = 0.1
"""Seconds after which a snapshot under way notices that there is less time than it thought."""

_ROOT = Path(__file__).parents[2]
_PROGRAM = "import sys; sys.path.append(sys.argv[1]); from sigtrace.snapshot import helper; helper.serve(sys.argv[2])"


class Helper:
    """Takes snapshots in a process of its own. Use it from one thread, and `close` it, or in a `with` block."""

    def __init__(self, root: str = "/proc") -> None:
        self._root = root
        self._latest = math.inf
        self._process: subprocess.Popen[bytes] | None = None
        self._unread = b""

    def __enter__(self) -> Helper:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start the process now, so that the first snapshot need not wait for it."""
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _PROGRAM, str(_ROOT), self._root],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C on the terminal is ours to handle
            )

    def take(
        self,
        nsid: int,
        trigger: str,
        *,
        ns_start: int = 0,
        again: bool = False,
        deadline: float = DEADLINE,
    ) -> list[Row]:
        """The rows of one snapshot; see `snapshot.take`."""
        ends = time.monotonic() + deadline
        request = Request(nsid, trigger, again, ns_start, self._root)
        rows: dict[tuple[int, int], Row] = {}
        problem = ""
        try:
            self.start()
            assert self._process is not None
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(asdict(request)).encode() + b"\n")
            self._process.stdin.flush()
            while (said := self._line(ends)) != {}:
                problem = str(said.get("problem", "")) or problem
                _amend(rows, said)
        except TimeoutError:
            why = "was cut short" if self.is_late else f"took longer than {deadline:g} s"
            problem = f"reading {why}: what came last, such as command lines, is missing"
            self.close()
        except (OSError, EOFError, ValueError):
            problem = "the helper that reads /proc died"
            self.close()
        return _finished(rows, request, problem)

    def hurry(self, seconds: float) -> None:
        """Be done within this time with all snapshots, also one under way. From any thread."""
        self._latest = time.monotonic() + seconds

    @property
    def is_late(self) -> bool:
        """Whether that time is over, and there shall be no more."""
        return time.monotonic() >= self._latest

    def close(self) -> None:
        """End the process, even one that hangs. Safe to repeat."""
        process, self._process, self._unread = self._process, None, b""
        if process is None:
            return
        process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.1 if self.is_late else 1)  # in uninterruptible sleep it dies later, by itself

    def _line(self, ends: float) -> Row:
        """The next thing the process says. Raises TimeoutError, or EOFError when it is gone."""
        assert self._process is not None
        assert self._process.stdout is not None
        while b"\n" not in self._unread:
            poll = select.poll()
            poll.register(self._process.stdout, select.POLLIN)
            left = min(ends, self._latest) - time.monotonic()
            if not poll.poll(min(max(left, 0), _GLANCE) * 1000):
                if left <= 0:
                    raise TimeoutError
                continue
            got = os.read(self._process.stdout.fileno(), 1 << 16)
            if not got:
                raise EOFError
            self._unread += got
        line, _, self._unread = self._unread.partition(b"\n")
        said: Row = json.loads(line)
        return said


def serve(root: str) -> None:
    """Be the helper: answer requests until nobody is there to make them."""
    for line in sys.stdin:
        request = Request(**json.loads(line))
        try:
            for each in read(request):
                sys.stdout.write(json.dumps(each) + "\n")
                sys.stdout.flush()
        except Exception as err:
            problem = f"reading {root} failed: {type(err).__name__}"
            sys.stdout.write(json.dumps({"pid": 0, "tid": 0, "problem": problem}) + "\n")
        sys.stdout.write("{}\n")
        sys.stdout.flush()


def _amend(rows: dict[tuple[int, int], Row], said: Row) -> None:
    """Add a row, or what came later about one."""
    pid, tid = int(said["pid"]), int(said["tid"])
    if len(said) == len(COLUMNS):
        rows[pid, tid] = said
    elif (pid, tid) in rows:
        rows[pid, tid].update(said)
    elif pid and not tid:
        for key, each in rows.items():  # of a process: every thread has it
            if key[0] == pid:
                each.update(said, tid=key[1])


def _finished(rows: dict[tuple[int, int], Row], request: Request, problem: str) -> list[Row]:
    """The rows, leaders' own PIDs filled in, and the namespace's row at the end even if it never came."""
    own = rows.pop((0, 0), None)
    if own is None:
        first = next(iter(rows.values()), {})
        own = row(
            time=int(first.get("time", time.time_ns())),
            nsid=request.nsid,
            ns_start=int(first.get("ns_start", request.ns_start)),
            trigger=request.trigger,
            again=request.again,
            tasks=len(rows),
            pids_current=-1,
            pids_max=-1,
            oom_kills=-1,
        )
    if problem:
        own["problem"] = problem
    for (pid, tid), each in rows.items():
        leader = rows.get((pid, pid))
        if tid != pid and leader is not None:
            each["ns_pid"], each["is_init"] = leader["ns_pid"], leader["is_init"]
    return [*rows.values(), own]
