"""How a signal was sent, from the facts of its record: each kind, and what is close to it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sigtrace.events.origin import ORIGINS, origins, words
from sigtrace.events.outcome import SENT, label
from tests.builders.records import record

NSID = 4026532249
KILLED = {"sender_pid": 7, "signal": 9, "nsid": NSID, "result": 0}
NOINFO = {**KILLED, "flags": ("init", "unkillable", "noinfo")}
KERNEL: dict[str, Any] = {
    **{"relation": "kernel", "sender_pid": 0, "code": 128, "signal": 9, "result": 0, "nsid": NSID},
    **{"flags": ("init", "unkillable"), "context_pid": 8, "context_nsid": NSID},
}
GROUP = ("init", "unkillable", "group")
EXITING, TRACER = 1, 2


@pytest.mark.parametrize(
    ("facts", "origin"),
    [
        (KILLED, ""),
        (NOINFO, "cgroup_kill"),
        ({**NOINFO, "signal": 15}, ""),
        ({**NOINFO, "flags": (*NOINFO["flags"], "group")}, ""),  # kill(2) on Linux 7.3
        ({**NOINFO, "flags": (*NOINFO["flags"], "group"), "sender_flags": EXITING}, "parent_death"),
        ({**NOINFO, "sender_flags": EXITING, "signal": 15}, "parent_death"),
        ({**NOINFO, "sender_flags": TRACER}, "ptrace_kill"),
        ({**NOINFO, "sender_pid": 0, "relation": "kernel", "signal": 13}, ""),  # SIGPIPE
        ({**KILLED, "sender_flags": EXITING}, ""),  # kill(2) by a thread that is asked to end
        (KERNEL, "reboot"),
        ({**KERNEL, "context_nsid": NSID - 1}, ""),  # a tracer outside with PTRACE_O_EXITKILL
        ({**KERNEL, "context_nsid": 0}, ""),  # an older recording, where cgroup.kill looked the same
        ({**KERNEL, "flags": GROUP}, ""),  # the OOM killer
        ({**KERNEL, "flags": ("init", "unkillable", "traced")}, ""),  # PTRACE_O_EXITKILL inside
        ({**KERNEL, "flags": ()}, ""),  # a member
        ({**KERNEL, "signal": 1, "flags": GROUP}, "hangup"),
        ({**KERNEL, "signal": 2, "flags": GROUP}, "key"),
        ({**KERNEL, "signal": 28, "flags": GROUP}, "resize"),
        ({**KERNEL, "signal": 15, "flags": GROUP}, ""),
        ({**KILLED, "signal": 15, "code": -2}, "forged"),
        ({**KERNEL, "signal": 14, "code": -2}, ""),  # a timer
        ({**KILLED, "signal": 15, "code": -1}, ""),
        ({**NOINFO, "stage": "deliver"}, ""),  # a thread that dies with its process
    ],
)
def test_an_origin_is_told_by_the_facts(facts: dict[str, Any], origin: str) -> None:
    records = record(**facts)
    assert ORIGINS[origins(records)[0]] == origin


def test_the_origins_of_many_records_are_those_of_each() -> None:
    records = np.concatenate([record(**facts) for facts in (KILLED, NOINFO, KERNEL, KILLED)])
    assert [ORIGINS[code] for code in origins(records)] == ["", "cgroup_kill", "reboot", ""]
    assert origins(records[:0]).tolist() == []


@pytest.mark.parametrize("sender", ["runc[7]", ""])
@pytest.mark.parametrize("context", ["busybox[8]", ""])
@pytest.mark.parametrize("origin", ORIGINS)
def test_every_origin_has_words_with_whom_the_record_knows(origin: str, sender: str, context: str) -> None:
    text = words(origin, sender, "" if sender else context, 2, 128)
    assert text
    assert not text.endswith(" ")
    if sender:
        assert sender in text
    elif context and origin != "key":
        assert context in text


def test_every_origin_has_a_label_that_fits_its_column() -> None:
    assert SENT.keys() == set(ORIGINS) - {""}
    assert {label("queued", 9, origin) for origin in SENT} == {f"queued: {words}" for words in SENT.values()}
    assert max(len(label("queued", 9, origin)) for origin in ORIGINS) <= 20
    assert label("dropped_at_generate", 1, "hangup") == "dropped: no handler"
