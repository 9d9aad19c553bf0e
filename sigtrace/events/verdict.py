"""Verdicts: the outcome of a signal, as a pure function of the facts in its record.

Each rule is the kernel's own, from `kernel/signal.c`: `prepare_signal()` and `sig_ignored()` at generation,
`get_signal()` at delivery. Only the two verdicts of init protection mean "dropped".
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from sigtrace import signals
from sigtrace.events import wire
from sigtrace.events.outcome import OUTCOMES

VERDICTS = tuple(OUTCOMES)
"""The verdicts; the codes that `classify` returns index this tuple."""

CODE: Mapping[str, int] = {name: code for code, name in enumerate(VERDICTS)}
DROPPED = (CODE["dropped_at_generate"], CODE["dropped_at_deliver"])
"""The codes that mean "dropped": init protection, at either drop point."""

_IGNORED, _ALREADY_PENDING, _OVERFLOW_FAIL = 1, 2, 3
"""TRACE_SIGNAL_IGNORED, _ALREADY_PENDING and _OVERFLOW_FAIL of `include/trace/events/signal.h`. The other results,
0 (DELIVERED) and 4 (LOSE_INFO: queued without its siginfo), mean queued."""


def classify(facts: npt.NDArray[np.void]) -> npt.NDArray[np.uint8]:
    """Return the verdict of each record as a code into VERDICTS: shape (n,), uint8.

    facts: shape (n,), events or counts: a structured array in which the bytes stage, signal, result, disposition,
    relation and flags are adjacent, as in the wire header. The function is total: combinations that no rule covers
    become `unknown`.

    The rules are evaluated once for each of the 65,536 possible combinations, and records look up their verdict: a
    recording of a storm has millions of records, and 15 rules of several array operations each would take as many
    passes over them. The table of 64 KiB stays in the cache.
    """
    assert facts.dtype.fields is not None
    first = facts.dtype.fields["stage"][1]
    # Copy the adjacent bytes of each record once: a strided read of every member would miss the cache each time.
    rows = facts.getfield(np.dtype("<u8"), first).copy().view("u1").reshape(-1, 8)
    index = np.zeros(len(facts), "u2")
    for field, bits in _INDEX:
        column = rows[:, facts.dtype.fields[field][1] - first]
        most = (1 << bits) - 1
        index <<= bits
        if field == "signal":
            index |= _signal_class()[column]
        else:
            index |= column & most if field == "flags" else np.minimum(column, most)
    verdicts: npt.NDArray[np.uint8] = _table()[index]
    return verdicts


_INDEX = (("stage", 3), ("result", 3), ("disposition", 3), ("flags", 5), ("signal", 2))
"""The bits of each member in the index into the table of verdicts, the most significant first.

Values that do not fit are clamped to the greatest, which no rule covers: a newer kernel's or recording's become
`unknown`. The rules use only the low bits of `flags`. Signals are represented by their class.
"""

FACTS = tuple(field for field, _ in _INDEX)
"""The members of a record that determine its verdict."""


def _judge(facts: npt.NDArray[np.void]) -> npt.NDArray[np.uint8]:
    """Apply the rules: shape (n,) in, (n,) of uint8 out. `classify` does so once for each combination of facts."""
    stage, result, flags = facts["stage"], facts["result"], facts["flags"]
    at = wire.STAGE
    default = facts["disposition"] == wire.DISPOSITION["default"]
    ignore = facts["disposition"] == wire.DISPOSITION["ignore"]
    handler = facts["disposition"] == wire.DISPOSITION["handler"]
    harmless = default & _in_mask(facts["signal"], signals.DEFAULT_IGNORED)
    resume = default & (facts["signal"] == signals.CONT)
    kernel_only = _in_mask(facts["signal"], signals.KERNEL_ONLY)
    protected = default & _has(flags, "unkillable")

    generate, deliver = stage == at["generate"], stage == at["deliver"]
    discarded = generate & (result == _IGNORED)
    # The first match wins. prepare_signal() discards signals to a dying process before it calls sig_task_ignored(),
    # which checks init protection and kernel threads (a target is never both), then SIG_IGN and the default action.
    # The rules swap the last two with init protection: in the kernel's order every SIGCHLD to an init would be a drop,
    # although no process reacts to it by default. get_signal() has the order of the rules itself: sig_kernel_ignore()
    # comes before SIGNAL_UNKILLABLE, which spares an init from all but sig_kernel_only() signals. prepare_signal()
    # resumes a stopped target before it discards SIGCONT; by delivery that is over.
    rules: list[tuple[str, Any]] = [
        ("queued", generate & ((result == 0) | (result == 4))),
        ("coalesced", generate & (result == _ALREADY_PENDING)),
        ("overflowed", generate & (result == _OVERFLOW_FAIL)),
        ("dying", discarded & _has(flags, "exiting")),
        ("kernel_thread", discarded & _has(flags, "kthread")),
        ("ignored", (discarded | deliver) & ignore),
        ("resumes", discarded & resume),
        ("default_ignored", (discarded | deliver) & harmless),
        ("dropped_at_generate", discarded & protected),
        ("handled", deliver & handler),
        ("dropped_at_deliver", deliver & protected & ~kernel_only),
        ("default_action", deliver & default),
        ("exited", stage == at["exit"]),
        ("born", stage == at["init"]),
        ("executed", stage == at["exec"]),
    ]
    codes = [np.uint8(CODE[name]) for name, _ in rules]
    verdicts: npt.NDArray[np.uint8] = np.select([holds for _, holds in rules], codes, np.uint8(0))
    return verdicts


@functools.cache
def _table() -> npt.NDArray[np.uint8]:
    """Return the verdict of each index: shape (65536,)."""
    index = np.arange(1 << sum(bits for _, bits in _INDEX))
    facts = np.zeros(len(index), wire.COUNT_KEY.dtype())
    for field, bits in reversed(_INDEX):
        facts[field] = index & (1 << bits) - 1
        index >>= bits
    facts["signal"] = np.array(_CLASSES, "u1")[facts["signal"]]
    return _judge(facts)


_CLASSES = (0, signals.CHLD, signals.KILL, signals.CONT)
"""One signal of each class that the rules distinguish; the index has two bits for them."""


@functools.cache
def _signal_class() -> npt.NDArray[np.uint16]:
    """Return the index into _CLASSES of each signal number: shape (256,)."""
    classes = np.zeros(256, "u2")
    classes[signals.members(signals.DEFAULT_IGNORED)] = 1
    classes[signals.members(signals.KERNEL_ONLY)] = 2
    classes[signals.CONT] = 3
    return classes


def is_dropped(verdicts: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Mark the verdict codes that mean "dropped by init protection": same shape as the codes."""
    dropped: npt.NDArray[np.bool_] = (verdicts == DROPPED[0]) | (verdicts == DROPPED[1])
    return dropped


def _has(flags: npt.NDArray[Any], flag: str) -> npt.NDArray[np.bool_]:
    has: npt.NDArray[np.bool_] = (flags & wire.FLAG[flag]) != 0
    return has


def _in_mask(numbers: npt.NDArray[Any], mask: int) -> npt.NDArray[np.bool_]:
    table = np.zeros(256, bool)
    table[signals.members(mask)] = True
    found: npt.NDArray[np.bool_] = table[numbers]
    return found
