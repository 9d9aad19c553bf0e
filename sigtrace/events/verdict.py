"""Facts -> verdict: what became of a signal, as a pure function of what the kernel recorded.

Every rule here is the kernel's own, from `kernel/signal.c`: `prepare_signal()` and `sig_ignored()` at
generation, `get_signal()` at delivery. Only the two init-protection verdicts mean "dropped".
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
"""Every verdict; the codes that `classify` returns index this tuple."""

CODE: Mapping[str, int] = {name: code for code, name in enumerate(VERDICTS)}
DROPPED = (CODE["dropped_at_generate"], CODE["dropped_at_deliver"])
"""The codes that mean "dropped": init protection, at either drop point."""

_IGNORED, _ALREADY_PENDING, _OVERFLOW_FAIL = 1, 2, 3
"""TRACE_SIGNAL_IGNORED, _ALREADY_PENDING, _OVERFLOW_FAIL of `include/trace/events/signal.h`; 0 and 4 are queued."""


def classify(facts: npt.NDArray[np.void]) -> npt.NDArray[np.uint8]:
    """The verdict of each record, as a code into VERDICTS.

    `facts` is a batch of events or a table of counts: a structured array in which the bytes stage, signal,
    result, disposition, relation and flags follow each other, as in the wire header. Shape (n,) in, (n,) of
    uint8 out. Total: values no rule knows become `unknown`.
    """
    assert facts.dtype.fields is not None
    first = facts.dtype.fields["stage"][1]
    # The six bytes of each record, gathered once: going back to the records for each costs a cache miss a time.
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
"""How the facts of a record become an index into the table of verdicts: bits a field, the most significant first.

The greatest value of a field also stands for all above it, which no rule knows. Of `flags` the rules ask for the low
bits only. Signals go by class.
"""

FACTS = tuple(field for field, _ in _INDEX)
"""The members of a record that its verdict is made of."""


def _judge(facts: npt.NDArray[np.void]) -> npt.NDArray[np.uint8]:
    """The rules themselves; `classify` asks them once for every kind of facts there is."""
    stage, result, flags = facts["stage"], facts["result"], facts["flags"]
    at = wire.STAGE
    default = facts["disposition"] == wire.DISPOSITION["default"]
    ignore = facts["disposition"] == wire.DISPOSITION["ignore"]
    handler = facts["disposition"] == wire.DISPOSITION["handler"]
    harmless = default & _in_mask(facts["signal"], signals.DEFAULT_IGNORED)
    kernel_only = _in_mask(facts["signal"], signals.KERNEL_ONLY)
    protected = default & _has(flags, "unkillable")

    generate, deliver = stage == at["generate"], stage == at["deliver"]
    discarded = generate & (result == _IGNORED)
    # First match wins: the kernel asks in this order (`prepare_signal`, then `sig_task_ignored`), but that an
    # init "drops" a SIGCHLD it would have ignored anyway is of no interest to anyone.
    rules: list[tuple[str, Any]] = [
        ("queued", generate & ((result == 0) | (result == 4))),
        ("coalesced", generate & (result == _ALREADY_PENDING)),
        ("overflowed", generate & (result == _OVERFLOW_FAIL)),
        ("dying", discarded & _has(flags, "exiting")),
        ("kernel_thread", discarded & _has(flags, "kthread")),
        ("ignored", (discarded | deliver) & ignore),
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
    """The rules' answer to every index: a storm is judged by looking it up."""
    index = np.arange(1 << sum(bits for _, bits in _INDEX))
    facts = np.zeros(len(index), wire.COUNT_KEY.dtype())
    for field, bits in reversed(_INDEX):
        facts[field] = index & (1 << bits) - 1
        index >>= bits
    facts["signal"] = np.array(_CLASSES, "u1")[facts["signal"]]
    return _judge(facts)


_CLASSES = (0, signals.members(signals.DEFAULT_IGNORED)[0], signals.members(signals.KERNEL_ONLY)[0], 0)
"""One signal of each class that the rules tell apart."""


@functools.cache
def _signal_class() -> npt.NDArray[np.uint16]:
    """Signal number -> index into _CLASSES."""
    classes = np.zeros(256, "u2")
    classes[signals.members(signals.DEFAULT_IGNORED)] = 1
    classes[signals.members(signals.KERNEL_ONLY)] = 2
    return classes


def is_dropped(verdicts: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Which verdict codes mean "dropped by init protection"."""
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
