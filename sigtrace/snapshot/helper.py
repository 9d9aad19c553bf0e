"""The helper: a child process that reads /proc, and that can be killed if a file of /proc hangs.

It is a fresh interpreter (`python -I -S`), not a fork: the recorder has threads. It is kept between snapshots, so
that a snapshot costs no more than its reads. Requests and rows are JSON Lines on its two pipes.
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

from sigtrace.snapshot.columns import COLUMNS, SnapshotRow, row
from sigtrace.snapshot.reading import SnapshotRequest, read
from sigtrace.units import SECOND, duration

DEADLINE = 2.0
"""Seconds a snapshot may take."""
_CHECK_SECONDS = 0.1
"""Interval at which a snapshot in progress checks whether `limit` was called."""

_ROOT = Path(__file__).parents[2]
_PROGRAM = "import sys; sys.path.append(sys.argv[1]); from sigtrace.snapshot import helper; helper.serve(sys.argv[2])"


class Helper:
    """Takes snapshots in a child process. Use it from one thread, in a `with` block or with `close` at the end."""

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
        """Start the process now, so that the first snapshot does not wait for it."""
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _PROGRAM, str(_ROOT), self._root],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C on the terminal must not reach it
            )

    def take(
        self,
        nsid: int,
        trigger: str,
        *,
        ns_start: int = 0,
        again: bool = False,
        deadline: float = DEADLINE,
    ) -> list[SnapshotRow]:
        """Take a snapshot; arguments and rows are those of `snapshot.take`."""
        ends = time.monotonic() + deadline
        request = SnapshotRequest(nsid, trigger, again, ns_start, self._root)
        rows: dict[tuple[int, int], SnapshotRow] = {}
        problem = ""
        try:
            self.start()
            assert self._process is not None
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(asdict(request)).encode() + b"\n")
            self._process.stdin.flush()
            while (part := self._line(ends)) != {}:
                problem = str(part.get("problem", "")) or problem
                _merge(rows, part)
        except TimeoutError:
            why = "was cut short" if self.is_late else f"took longer than {duration(deadline * SECOND)}"
            problem = f"reading {why}: what came last, such as command lines, is missing"
            self.close()
        except (OSError, EOFError, ValueError):
            problem = "the helper that reads /proc died"
            self.close()
        return _finished(rows, request, problem)

    def limit(self, seconds: float) -> None:
        """Finish all snapshots within this time, including one in progress. From any thread."""
        self._latest = time.monotonic() + seconds

    @property
    def is_late(self) -> bool:
        """Whether the time of `limit` is over."""
        return time.monotonic() >= self._latest

    def close(self) -> None:
        """Kill the process, even one that hangs. Safe to repeat."""
        process, self._process, self._unread = self._process, None, b""
        if process is None:
            return
        process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.1 if self.is_late else 1)  # one in uninterruptible sleep dies once that ends

    def _line(self, ends: float) -> SnapshotRow:
        """Read the next line of the process. Raises TimeoutError, or EOFError if the process is gone."""
        assert self._process is not None
        assert self._process.stdout is not None
        while b"\n" not in self._unread:
            poll = select.poll()
            poll.register(self._process.stdout, select.POLLIN)
            left = min(ends, self._latest) - time.monotonic()
            if not poll.poll(min(max(left, 0), _CHECK_SECONDS) * 1000):
                if left <= 0:
                    raise TimeoutError
                continue
            got = os.read(self._process.stdout.fileno(), 1 << 16)
            if not got:
                raise EOFError
            self._unread += got
        line, _, self._unread = self._unread.partition(b"\n")
        part: SnapshotRow = json.loads(line)
        return part


def serve(root: str) -> None:
    """Run in the helper process: answer requests on stdin until it is closed."""
    for line in sys.stdin:
        request = SnapshotRequest(**json.loads(line))
        try:
            for each in read(request):
                sys.stdout.write(json.dumps(each) + "\n")
                sys.stdout.flush()
        except Exception as err:
            problem = f"reading {root} failed: {type(err).__name__}"
            sys.stdout.write(json.dumps({"pid": 0, "tid": 0, "problem": problem}) + "\n")
        sys.stdout.write("{}\n")
        sys.stdout.flush()


def _merge(rows: dict[tuple[int, int], SnapshotRow], part: SnapshotRow) -> None:
    """Add a row, or later values of a row (see `reading.read`)."""
    pid, tid = int(part["pid"]), int(part["tid"])
    if len(part) == len(COLUMNS):
        rows[pid, tid] = part
    elif (pid, tid) in rows:
        rows[pid, tid].update(part)
    elif pid and not tid:
        for key, each in rows.items():  # a value of the process belongs to every thread
            if key[0] == pid:
                each.update(part, tid=key[1])


def _finished(
    rows: dict[tuple[int, int], SnapshotRow], request: SnapshotRequest, problem: str
) -> list[SnapshotRow]:
    """Return the rows, with the leaders' ns_pid in those of their threads, and the namespace's row at the end.

    The namespace's row is made up from the request if the helper did not send it.
    """
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
