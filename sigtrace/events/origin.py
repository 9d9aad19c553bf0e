"""Origins: how a signal was sent, as a pure function of the facts in its record, and the words for it.

kill(2) and its relatives have no origin of their own. The others are what the kernel does on somebody's behalf:

    cgroup_kill    a write to `cgroup.kill`: cgroup_kill_control() sends SIGKILL to each process of the cgroup.
    parent_death   PR_SET_PDEATHSIG: forget_original_parent() sends it as the parent exits.
    ptrace_kill    PTRACE_KILL: ptrace_request() sends SIGKILL to the tracee.
    reboot         reboot(2) in a PID namespace: reboot_pid_ns() ends its init by SIGKILL. The init's exit is recorded
                   as by SIGKILL, but its parent sees SIGINT (power off, halt) or SIGHUP (restart) as its exit status,
                   which zap_pid_ns_processes() sets later.
    hangup         its terminal was closed: tty_signal_session_leader().
    key            a key on its terminal: isig() in n_tty.c.
    resize         its terminal was resized: tty_do_resize(), pty_resize().
    forged         a process called rt_sigqueueinfo(2) with a code that only the kernel uses.

The first three are sent with SEND_SIG_NOINFO, and `current` is the sender. On Linux 7.3 so is every kill(2), but to a
thread group and by a task that is not exiting; cgroup.kill and PTRACE_KILL send to a task. For the next four, which are
sent with SEND_SIG_PRIV, `current` is the context. Older recordings have neither, and no origin.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from sigtrace import signals
from sigtrace.events import wire
from sigtrace.events.column_types import flag

ORIGINS = (
    "",
    *("cgroup_kill", "parent_death", "ptrace_kill"),
    *("reboot", "hangup", "key", "resize"),
    "forged",
)
"""The origins; the codes that `origins` returns index this tuple."""

CODE: Mapping[str, int] = MappingProxyType({name: code for code, name in enumerate(ORIGINS)})

FACTS = ("stage", "signal", "code", "relation", "flags", "nsid", "sender_pid", "sender_flags", "context_nsid")
"""The members of a record that determine its origin."""

SI_KERNEL = 128
"""si_code of SEND_SIG_PRIV."""
_KEYS = MappingProxyType({signals.INT: "^C", signals.QUIT: "^\\", signals.TSTP: "^Z"})
_CLAIMS = MappingProxyType(
    {-2: "a timer", -3: "a message queue", -4: "asynchronous I/O", -5: "a file descriptor (SIGIO)"}
)
"""si_code -> what only the kernel sends it for: SI_TIMER, SI_MESGQ, SI_ASYNCIO, SI_SIGIO."""


def origins(records: npt.NDArray[np.void]) -> npt.NDArray[np.uint8]:
    """Return the origin of each record as a code into ORIGINS: shape (n,), uint8.

    records: shape (n,), wire events, or a structured array with the members FACTS.
    """
    found = np.zeros(len(records), "u1")
    code = records["code"].copy()  # adjacent, which the comparisons are faster with
    claims = (code >= min(_CLAIMS)) & (code <= max(_CLAIMS))
    # Most records are of none: kill(2), and the SIGCHLD of storms.
    rows = np.flatnonzero((code == SI_KERNEL) | claims | flag(records, "noinfo"))
    found[rows] = _judge({name: records[name][rows] for name in FACTS})
    return found


def restore(records: npt.NDArray[np.void], codes: npt.NDArray[np.integer]) -> None:
    """Set those of FACTS in wire events that the event table lacks, from their origins: codes, shape (n,)."""
    sent_by = {CODE["cgroup_kill"]: 0, CODE["parent_death"]: wire.SENDER_FLAG["exiting"]}
    sent_by[CODE["ptrace_kill"]] = wire.SENDER_FLAG["tracer"]
    for code, bits in sent_by.items():
        records["flags"][codes == code] |= wire.FLAG["noinfo"]
        records["sender_flags"][codes == code] |= bits
    reboot = codes == CODE["reboot"]
    to_task = reboot | (codes == CODE["cgroup_kill"]) | (codes == CODE["ptrace_kill"])
    records["flags"][~to_task] |= wire.FLAG["group"]
    records["context_nsid"][reboot] = records["nsid"][reboot]


def _judge(r: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.uint8]:
    """Apply the rules to FACTS, by name: shape (n,) each, (n,) out."""
    generated = r["stage"] == wire.STAGE["generate"]
    sent = generated & (r["sender_pid"] != 0)
    without_info = sent & _has(r, "noinfo")
    of_kernel = generated & (r["relation"] == wire.RELATION["kernel"]) & (r["code"] == SI_KERNEL)
    kill, number = r["signal"] == signals.KILL, r["signal"]
    # The OOM killer and the end of a namespace send SIGKILL to the thread group, reboot_pid_ns() to the task. So does
    # the exit of a tracer (PTRACE_O_EXITKILL).
    reboot = of_kernel & kill & _has(r, "init") & ~_has(r, "group") & ~_has(r, "traced")
    rules: list[tuple[str, Any]] = [
        ("parent_death", without_info & _sender_has(r, "exiting")),
        ("ptrace_kill", without_info & kill & _sender_has(r, "tracer")),
        ("cgroup_kill", without_info & kill & ~_has(r, "group")),
        ("reboot", reboot & (r["context_nsid"] == r["nsid"])),
        ("hangup", of_kernel & (number == signals.HUP)),
        ("key", of_kernel & np.isin(number, list(_KEYS))),
        ("resize", of_kernel & (number == signals.WINCH)),
        ("forged", sent & np.isin(r["code"], list(_CLAIMS))),
    ]
    codes = [np.uint8(CODE[name]) for name, _ in rules]
    judged: npt.NDArray[np.uint8] = np.select([holds for _, holds in rules], codes, np.uint8(0))
    return judged


def _has(facts: Mapping[str, npt.NDArray[Any]], name: str) -> npt.NDArray[np.bool_]:
    has: npt.NDArray[np.bool_] = (facts["flags"] & wire.FLAG[name]) != 0
    return has


def _sender_has(facts: Mapping[str, npt.NDArray[Any]], name: str) -> npt.NDArray[np.bool_]:
    has: npt.NDArray[np.bool_] = (facts["sender_flags"] & wire.SENDER_FLAG[name]) != 0
    return has


def words(origin: str, sender: str, context: str, signal: int, code: int) -> str:
    """Return who sent a signal and how, to follow "from": `systemd[1], through cgroup.kill`.

    sender: the process that sent it, as text; empty: the kernel. context: the process in whose context the kernel sent
    it; empty if it is not known.
    """
    if sender:
        how = {
            "cgroup_kill": f"{sender}, through cgroup.kill",
            "parent_death": f"its parent {sender}, which died (PR_SET_PDEATHSIG)",
            "ptrace_kill": f"its tracer {sender} (PTRACE_KILL)",
            "forged": f"{sender}, whose siginfo claims {_CLAIMS.get(code, 'the kernel')}",
        }
        return how.get(origin, sender)
    how = {
        "reboot": f"reboot(2) by {context}" if context else "reboot(2)",
        "hangup": f"the kernel, as {context} closed its terminal"
        if context
        else "a terminal that was closed",
        "key": f"somebody who typed {_KEYS.get(signal, 'a key')} at its terminal",
        "resize": f"the kernel, as {context} resized its terminal"
        if context
        else "a terminal that was resized",
    }
    # The context of a timer, a fault or the end of a child is whoever ran, or the target itself.
    in_context = f"the kernel, in the context of {context}" if context and code == SI_KERNEL else "the kernel"
    return how.get(origin, in_context)
