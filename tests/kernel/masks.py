"""An init whose threads block different signals: what this kernel makes of a fatal one, found out by trying.

Kernels differ, and nothing but what becomes of a process tells which kind one runs on (`sigtrace.predict`).
"""

from __future__ import annotations

import os
import signal

from sigtrace.lab.actor import RUNNING, Actor, Fate
from sigtrace.lab.channel import wait_until
from sigtrace.lab.stage import Stage

KILLED = Fate("killed", signal.SIGTERM)


def init_is_spared() -> bool:
    """Send SIGTERM to an init of our own, which nobody records, and see whether it lives."""
    with Stage() as stage:
        init = stage.namespace().init
        init("thread()")
        init(f"block({signal.SIGTERM})")
        stage.outside.kill(init, signal.SIGTERM)
        fate = became_of(init)
    assert fate in (RUNNING, KILLED), fate
    return fate == RUNNING


def became_of(init: Actor) -> Fate:
    """What became of it once no signal is pending for the whole of it, by its wait status or its own answer."""
    wait_until(lambda: not init.alive() or not init.mask("ShdPnd"), "a thread to take the signal")
    return init.settle()


def other_thread(init: Actor) -> int:
    """The TID, outside, of its only thread but the first."""
    (thread,) = {int(tid) for tid in os.listdir(f"/proc/{init.pid}/task")} - {init.pid}
    return thread
