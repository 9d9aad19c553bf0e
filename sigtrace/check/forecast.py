"""The prediction for a command that runs: what `sigtrace scan` and `sigtrace explain` say of it."""

from __future__ import annotations

from dataclasses import dataclass

from sigtrace.errors import SigtraceError
from sigtrace.predict.explain import explain
from sigtrace.predict.prose import advice
from sigtrace.predict.scan import scan
from sigtrace.procfs.process import namespace_of


@dataclass(frozen=True)
class Forecast:
    """What was predicted just before the signal."""

    verdict: str
    """As of `scan_row.Verdict`."""
    why: str = ""
    advice: tuple[str, ...] = ()
    """What would make the stop work, the best first."""
    if_it_hangs: str = ""
    """Why it hangs, should it do so, as the kernel's rule has it: known also where the verdict is in doubt."""
    zombies: int = 0
    """Children of the init that it had not reaped."""
    members: tuple[int, ...] = ()
    """PIDs of the other processes of the namespace."""

    @property
    def sure(self) -> bool:
        """Whether it says what happens, rather than on what that depends."""
        return self.verdict in ("stops at once", "waits for KILL") and not self.why.startswith("if ")

    def agrees(self, hung: bool) -> bool:
        """Whether it was right; one that leaves it open cannot be wrong."""
        return not self.sure or hung == (self.verdict == "waits for KILL")


UNKNOWN = Forecast("can't be told", "its processes are not visible from here")


def foretell(pid: int, signal: int) -> Forecast:
    """Predict what a signal from outside does to the init of a PID namespace."""
    try:
        if not pid:
            return UNKNOWN
        nsid = namespace_of(pid)  # None: another user's, as that of docker's containers
        found = scan(signal, ns=[] if nsid is None else [nsid])
        row = next((each for each in found if each.namespace.init_pid == pid), None)
        if row is None or row.init is None:
            return UNKNOWN
        asked = explain(signal, pid)
    except (SigtraceError, OSError) as err:  # it has ended, or is not ours to read
        return Forecast("can't be told", str(err))
    others = tuple(each for each in found.survey.members.get(nsid or 0, ()) if each != pid)
    doubtful = asked.prediction.reason if asked.prediction.dropped else ""
    hangs = row.why if row.verdict == "waits for KILL" else doubtful
    return Forecast(row.verdict, row.why, tuple(advice(asked)), hangs, row.init.zombies, others)
