"""A mixed load for as long as one likes: storms, namespaces that live for a moment, and some that are stopped.

It knows how many signals it had dropped, and asks meanwhile how much memory those who look on have.
"""

from __future__ import annotations

import re
import signal
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from sigtrace.lab.actor import Namespace
from sigtrace.lab.stage import Stage
from tests.kernel import crowd
from tests.patience import patient
from tests.processes import children

STORM, CROWD, STOPPED = 5_000, 80, 3
"""In each round: signals to one init, namespaces that live for a moment, namespaces that are stopped."""
FLAT = 1.05
"""How much the memory of the last third of the rounds may exceed that of the third before it."""
_SEND = "import os, sys; pid, n = map(int, sys.argv[1:]); [os.kill(pid, 15) for _ in range(n)]"
_FOOTER = re.compile(r"([\d,]+) signals? seen, ([\d,]+) dropped")


@dataclass
class Load:
    """Signals that inits drop, below one namespace."""

    stage: Stage
    house: Namespace
    dropped: int = 0
    rounds: int = 0
    namespaces: int = 0

    def round(self) -> None:
        """Do everything once."""
        target = self.house.init.namespace()
        sender = [sys.executable, "-I", "-S", "-c", _SEND, str(target.init.pid), str(STORM)]
        with subprocess.Popen(sender) as storm:
            self.dropped += crowd.pass_by(self.house, CROWD)
            for _ in range(STOPPED):
                self._stop(self.house.init.namespace())
        assert storm.returncode == 0
        self.dropped += STORM
        self._stop(target)
        self.rounds += 1
        self.namespaces += CROWD + STOPPED + 1

    def _stop(self, namespace: Namespace) -> None:
        """As a runtime stops a container whose init has no handler."""
        self.stage.outside.kill(namespace.init, signal.SIGTERM)
        self.dropped += 1
        self.stage.outside.kill(namespace.init, signal.SIGKILL)
        holder = namespace.init.parent
        assert holder is not None
        namespace.init.dismiss()  # which closes its descriptors: hours of this must not use them up
        holder.dismiss()


@dataclass
class Onlooker:
    """A command that looks on, and its private memory in kB after each round."""

    process: subprocess.Popen[str]
    kilobytes: list[int] = field(default_factory=list)

    def weigh(self) -> None:
        """Note the memory of the process that does the work."""
        worker = next(iter(children(self.process.pid)), self.process.pid)
        rollup = Path(f"/proc/{worker}/smaps_rollup").read_text()
        self.kilobytes.append(sum(map(int, re.findall(r"^Private_\w+: +(\d+) kB", rollup, re.M))))

    @property
    def growth(self) -> float:
        """Memory in the last third of the rounds, as a multiple of that in the third before it."""
        third = max(len(self.kilobytes) // 3, 1)
        before, last = self.kilobytes[-2 * third : -third], self.kilobytes[-third:]
        return statistics.median(last) / statistics.median(before)

    def end(self) -> tuple[int, str]:
        """End it. Returns how many drops it counted, and all that it said."""
        self.process.send_signal(signal.SIGINT)
        _, said = self.process.communicate(timeout=patient(120))
        found = _FOOTER.search(said)
        assert found, said
        return int(found[2].replace(",", "")), said


def soak(load: Load, onlookers: list[Onlooker], minutes: float) -> None:
    """Keep the load up for so long, and at least ten rounds."""
    until = time.monotonic() + 60 * minutes
    while time.monotonic() < until or load.rounds < 10:
        load.round()
        for each in onlookers:
            each.weigh()
