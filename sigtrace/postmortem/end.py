"""What ended an init that nobody asked to end: the kernel, its parent's death, reboot(2), a signal that it handled."""

from __future__ import annotations

from sigtrace.postmortem.case import Case
from sigtrace.postmortem.event import Event
from sigtrace.signals import CHLD, KILL
from sigtrace.stops.request import AT_ONCE_NS
from sigtrace.units import duration, number

SHUT_DOWN = "shut itself down"
_BY_KERNEL = {"reboot": SHUT_DOWN, "parent_death": "killed with its parent"}
_TERMINAL = ("hangup", "key", "resize")


def how(case: Case) -> str:
    """Return how the init ended, in a few words; empty if it has not."""
    kill = killed_by_kernel(case)
    if kill:
        return _BY_KERNEL.get(kill.origin, "killed by the kernel")
    if case.exit is None:
        return ""
    if case.exit.exit_code & 0x7F:
        return case.exit.outcome
    prompt = prompted(case)
    return f"ended after {prompt.signal_name}" if prompt else "ended by itself"


def killed_by_kernel(case: Case) -> Event | None:
    """Return the SIGKILL of the kernel that ended an init which had not been asked to end."""
    if case.attempts:
        return None
    kills = (e for e in case.to_init if e.signal == KILL and e.stage == "generate" and e.verdict == "queued")
    return next((e for e in kills if e.relation == "kernel" or e.origin == "parent_death"), None)


def shut_down(case: Case) -> Event | None:
    """Return the SIGKILL of reboot(2), by which a container shuts itself down, asked or not."""
    return next((e for e in case.to_init if e.origin == "reboot" and e.verdict == "queued"), None)


def prompted(case: Case) -> Event | None:
    """Return the signal that the init handled right before it exited: from a process, or from its terminal.

    None if the init was asked to end, or did not exit by itself. SIGCHLD is not considered.
    """
    if case.exit is None or case.stop_of(case.exit) or case.exit.exit_code & 0x7F:
        return None
    since, until = case.exit.time - AT_ONCE_NS, case.exit.time
    sent = (e for e in reversed(case.to_init) if e.stage == "generate" and since <= e.time <= until)
    for event in sent:
        known = event.origin in _TERMINAL or event.relation not in ("kernel", "self", "")
        fate = case.fate_of(event)
        handled = fate is not None and fate.verdict == "handled" and fate.time <= until
        if event.verdict == "queued" and known and handled and event.signal != CHLD:
            return event
    return None


def out_of_memory(case: Case) -> tuple[str, ...]:
    """Return that the namespace's cgroup counts kills for want of memory, as a line of detail; none if it does not."""
    counts = (snapshot.space.oom_kills for snapshot in reversed(case.snapshots))
    counted = next((count for count in counts if count > 0), 0)
    return (f"its cgroup counts {number(counted, 'kill')} for want of memory",) if counted else ()


def killed_members(case: Case) -> list[Event]:
    """Return the kernel's SIGKILLs to members while the init was alive: the OOM killer's, or for RLIMIT_CPU."""
    end = case.exit.number if case.exit else len(case.batch)
    kills = (
        e for e in case.to_others if e.signal == KILL and e.stage == "generate" and e.relation == "kernel"
    )
    return [e for e in kills if e.number < end and e.nsid == case.nsid and e.verdict == "queued"]


def why(case: Case) -> tuple[str, ...]:
    """Return what ended the init, as lines of detail for its exit; none if it was asked to, or if nothing is known."""
    if case.exit is None:
        return ()
    at, found = case.exit.time, []
    reboot, kill, prompt = shut_down(case), killed_by_kernel(case), prompted(case)
    if reboot:
        found.append(f"{reboot.sender}; its parent sees SIGINT (power off, halt) or SIGHUP (restart)")
    elif kill:
        found.append(f"by {kill.sender}")
    elif prompt:
        found.append(
            f"{duration(at - prompt.time)} after it handled {prompt.signal_name} from {prompt.sender}"
        )
    return *found, *out_of_memory(case)
