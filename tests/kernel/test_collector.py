"""The collector: filters in the kernel, changed while it runs, and an end that loses nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import sigtrace
from sigtrace.errors import BadInput, NoSuchContainer
from sigtrace.events import wire
from sigtrace.lab.stage import Stage
from sigtrace.live import collector
from sigtrace.live.collector import Collector
from sigtrace.live.kernel import counts, load
from sigtrace.live.kernel.btf import Btf, KernelFacts, kernel_facts
from tests.patience import patient

pytestmark = pytest.mark.kernel


def _targets(live: Collector) -> list[tuple[int, int]]:
    """(pid, signal) of every record so far, oldest first."""
    records = live.drain(0.05).records
    return list(zip(records["target_pid"].tolist(), records["signal"].tolist(), strict=True))


def test_only_the_named_namespace_is_recorded_and_counted(stage: Stage) -> None:
    one, other = stage.namespace(), stage.namespace()
    with Collector(ns=[one.inode]) as live:
        stage.outside.kill(other.init, 15)
        stage.outside.kill(one.init, 15)
        assert _targets(live) == [(one.init.pid, 15)]
        assert live.counts().dropped() == {one.inode: 1}


def test_the_environment_forces_a_method_unless_one_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(load.METHOD, "raw")
    with Collector(ns=[0]) as live:
        assert live.method == "raw"
    monkeypatch.setenv(load.METHOD, "none")
    with pytest.raises(BadInput, match="unknown method 'none'"), Collector(ns=[0]):
        pass
    with Collector(ns=[0], method="raw") as live:
        assert live.method == "raw"


def test_filters_that_are_refused_change_nothing(stage: Stage) -> None:
    one, other = stage.namespace(), stage.namespace()
    with sigtrace.Collector(ns=[one.inode]) as live:
        with pytest.raises(BadInput, match="unknown scope"):
            live.set_filter(ns=[other.inode], scope="bogus")  # type: ignore[arg-type]
        stage.outside.kill(other.init, 15)
        assert live.counts().dropped() == {}
        stage.outside.kill(one.init, 15)
        assert live.counts().dropped() == {one.inode: 1}


def test_descendants_are_recorded_only_when_asked_for(stage: Stage) -> None:
    outer = stage.namespace()
    inner = outer.init.namespace().init.namespace()
    for descendants, expected in ((False, []), (True, [(inner.init.pid, 15)])):
        with Collector(ns=[outer.inode], descendants=descendants) as live:
            stage.outside.kill(inner.init, 15)
            assert _targets(live) == expected


def test_only_the_chosen_signals_are_recorded(stage: Stage) -> None:
    init = stage.namespace().init
    with Collector(signals=[2, 64]) as live:
        for number in (15, 2, 1, 64):
            stage.outside.kill(init, number)
        assert [number for pid, number in _targets(live) if pid == init.pid] == [2, 64]


def test_filters_change_while_it_runs(stage: Stage) -> None:
    one, other = stage.namespace(), stage.namespace()
    with Collector(ns=[one.inode]) as live:
        for inodes in ([other.inode], [one.inode, other.inode], []):
            live.set_filter(ns=inodes)
            stage.outside.kill(one.init, 15)
            stage.outside.kill(other.init, 15)
        seen = [pid for pid, _ in _targets(live) if pid in (one.init.pid, other.init.pid)]
        assert seen == [other.init.pid] + 2 * [one.init.pid, other.init.pid]


def test_a_namespace_is_told_from_a_later_one_with_its_inode(stage: Stage) -> None:
    namespace = stage.namespace()
    start = namespace.init.start_ticks()
    for ticks, expected in ((start, 1), (start - 1, 0), (0, 1)):
        with Collector(ns={namespace.inode: ticks}) as live:
            stage.outside.kill(namespace.init, 15)
            assert len(_targets(live)) == expected


def test_scopes_widen_from_drops_to_inits_to_all(stage: Stage) -> None:
    namespace = stage.namespace()
    member = namespace.member()
    namespace.init.set("ignore", 1)
    seen = {}
    for scope in ("drops", "inits", "all"):
        with Collector(ns=[namespace.inode], scope=scope) as live:  # type: ignore[arg-type]
            stage.outside.kill(namespace.init, 15)
            stage.outside.kill(namespace.init, 1)
            stage.outside.kill(member, 18)
            seen[scope] = _targets(live)
    init, other = namespace.init.pid, member.pid
    assert seen["drops"] == [(init, 15)]
    assert seen["inits"] == [(init, 15), (init, 1)]
    assert seen["all"][:3] == [(init, 15), (init, 1), (other, 18)]


def test_two_instances_see_the_same_and_do_not_disturb_each_other(stage: Stage) -> None:
    namespace = stage.namespace()
    with Collector(ns=[namespace.inode]) as one:
        with Collector(ns=[namespace.inode]) as other:
            stage.outside.kill(namespace.init, 15)
            assert _targets(one) == _targets(other) == [(namespace.init.pid, 15)]
        stage.outside.kill(namespace.init, 2)
        assert _targets(one) == [(namespace.init.pid, 2)]


def test_iteration_ends_on_stop_after_all_that_was_sent_before(stage: Stage) -> None:
    namespace = stage.namespace()
    with sigtrace.Collector(ns=[namespace.inode]) as live:
        for _ in range(50):
            stage.outside.kill(namespace.init, 15)
        live.stop()
        stage.outside.kill(namespace.init, 15)
        assert sum(len(batch) for batch in live) in (50, 51)


def test_a_blocked_reader_wakes_for_a_single_event(stage: Stage) -> None:
    namespace = stage.namespace()
    seen: list[float] = []
    with Collector(ns=[namespace.inode]) as live:

        def read() -> None:
            for _ in live:
                seen.append(time.monotonic())

        thread = threading.Thread(target=read)
        thread.start()
        for number in range(1, 6):
            time.sleep(0.15)  # long enough for the reader to go to sleep
            sent = time.monotonic()
            stage.outside.kill(namespace.init, 15)
            deadline = sent + patient(5)
            while len(seen) < number and time.monotonic() < deadline:
                time.sleep(0.002)
            assert len(seen) >= number, "the reader slept through it"
        live.stop()
        thread.join(patient(5))
        assert not thread.is_alive()


def test_events_right_after_a_wake_up_are_not_left_lying(stage: Stage) -> None:
    namespace = stage.namespace()
    got: list[int] = []
    with Collector(ns=[namespace.inode]) as live:

        def read() -> None:
            for batch in live:
                got.append(len(batch))

        thread = threading.Thread(target=read)
        thread.start()
        for pause in (0.0, 0.001, 0.004, 0.006, 0.009, 0.011, 0.02, 0.1) * 5:
            stage.outside.kill(namespace.init, 15)
            time.sleep(pause)
        deadline = time.monotonic() + patient(5)
        while sum(got) < 40 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert sum(got) == 40
        live.stop()
        thread.join(patient(5))


def test_births_and_execs_of_inits_are_recorded_with_who_made_them(stage: Stage) -> None:
    with Collector(scope="inits") as live:
        namespace = stage.namespace()
        namespace.init.become("/bin/sleep", "1000")
        rows = [row for row in live.drain(1).rows() if row["target_pid"] == namespace.init.pid]
    assert [(row["stage"], row["verdict"]) for row in rows][:1] == [("init", "born")]
    assert rows[0]["sender_pid"] == namespace.init.parent.pid  # type: ignore[union-attr]
    assert rows[0]["relation"] == "ancestor"
    execs = [row for row in rows if row["stage"] == "exec"]
    assert [(row["verdict"], row["target_comm"]) for row in execs] == [("executed", "sleep")]


def test_an_init_is_born_once_however_many_threads_it_starts(stage: Stage) -> None:
    with Collector(scope="inits") as live:
        init = stage.namespace().init
        for _ in range(5):
            init("thread()")
        assert len(list(Path(f"/proc/{init.pid}/task").iterdir())) == 6
        records = live.drain(1).records
    born = (records["stage"] == wire.STAGE["init"]) & (records["target_pid"] == init.pid)
    assert born.sum() == 1


@pytest.mark.parametrize("group_dead", [True, False])
def test_a_process_exits_once_however_many_threads_die_with_it(
    group_dead: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not group_dead:  # as before 6.16, where the tracepoint does not say which thread is the last
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        monkeypatch.setattr(load, "kernel_facts", _without_group_dead)
    with Collector(scope="all") as live:
        crowds = [
            subprocess.Popen([sys.executable, "-S", "-c", _CROWD], stdout=subprocess.PIPE) for _ in range(12)
        ]
        for crowd in crowds:
            assert crowd.stdout is not None
            crowd.stdout.readline()
            crowd.kill()
            crowd.communicate()
        records = live.drain(1).records
    exits = records[records["stage"] == wire.STAGE["exit"]]
    assert [int((exits["target_pid"] == crowd.pid).sum()) for crowd in crowds] == [1] * len(crowds)
    mine = exits[np.isin(exits["target_pid"], [crowd.pid for crowd in crowds])]
    assert (mine["target_tid"] == mine["target_pid"]).all()
    assert (mine["exit_code"] == 9).all()


_CROWD = """
import threading, time
for _ in range(40):
    threading.Thread(target=time.sleep, args=(99,)).start()
print(flush=True)
"""


def _without_group_dead(btf: Btf) -> KernelFacts:
    facts = kernel_facts(btf)
    return replace(
        facts, macros={name: value for name, value in facts.macros.items() if name != "EXIT_GROUP_DEAD"}
    )


def test_a_record_between_the_last_look_and_sleep_is_not_slept_over(stage: Stage) -> None:
    namespace = stage.namespace()
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})  # one CPU: its wake-ups are rationed together
    try:
        with Collector(ns=[namespace.inode]) as live:
            assert _read_around_the_last_look(live, namespace.init.pid) == [15, 2]
    finally:
        os.sched_setaffinity(0, before)


def _read_around_the_last_look(live: Collector, pid: int) -> list[int]:
    """The signals read when one comes just after the reader's last look, and one before the CPU would wake it again."""
    ring = live._reader()
    look, found_nothing = ring.unread, threading.Event()
    got: list[int] = []

    def unread() -> bool:
        there = look()
        if not there and not found_nothing.is_set():
            os.kill(pid, 15)
            found_nothing.set()
        return there

    def send_again() -> None:
        found_nothing.wait(patient(5))
        time.sleep(0.0015)
        os.kill(pid, 2)

    def read() -> None:
        for batch in live:
            got.extend(batch.records["signal"].tolist())

    threads = [threading.Thread(target=send_again), threading.Thread(target=read)]
    ring.unread = unread  # type: ignore[method-assign]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + patient(2)
    while len(got) < 2 and time.monotonic() < deadline:
        time.sleep(0.005)
    seen = list(got)
    live.stop()
    for thread in threads:
        thread.join(patient(5))
    return seen


def test_one_full_set_of_namespaces_can_replace_another() -> None:
    with Collector(ns=range(1, 1025)) as live:
        live.set_filter(ns=range(5001, 6025))
        with pytest.raises(BadInput, match="at most 1024"):
            live.set_filter(ns=range(1, 1030))


def test_a_collector_can_be_used_again(stage: Stage) -> None:
    namespace = stage.namespace()
    live = Collector(ns=[namespace.inode])
    for _ in range(2):
        with live:
            stage.outside.kill(namespace.init, 15)
            live.stop()
            assert sum(len(batch) for batch in live) == 1


def test_an_odd_code_does_not_make_a_sender_the_kernel(stage: Stage) -> None:
    namespace = stage.namespace()
    with Collector(ns=[namespace.inode]) as live:
        for code in (-1, -7, -60, -100):
            siginfo = f"(15).to_bytes(8, 'little') + ({code}).to_bytes(4, 'little', signed=True)"
            stage.outside(
                f"(lambda info: raw('rt_sigqueueinfo', {namespace.init.pid}, 15, ctypes.addressof(info)))"
                f"(ctypes.create_string_buffer({siginfo}, 128))"
            )
        rows = list(live.drain(1).rows())
    assert [(row["relation"], row["sender_pid"]) for row in rows] == [("ancestor", stage.outside.pid)] * 4


def test_counts_of_ended_namespaces_are_kept_when_they_make_room(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counts, "CROWDED", 0)
    gone, alive = stage.namespace(), stage.namespace()
    with Collector(ns=[gone.inode, alive.inode], scope="all") as live:
        for _ in range(7):
            stage.outside.kill(gone.init, 15)
            stage.outside.kill(alive.init, 15)
        stage.outside.kill(gone.init, 9)
        gone.init.fate()
        assert gone.init.parent is not None
        gone.init.parent.end()  # whose children would be born there: it kept the namespace
        for expected in (7, 9, 11):
            assert live.counts().dropped() == {gone.inode: 7, alive.inode: expected}
            assert {row["nsid"] for row in counts._read(live._attached())} == {alive.inode}
            for _ in range(2):
                stage.outside.kill(alive.init, 15)


def test_what_a_namespace_drops_just_before_it_is_found_ended_is_counted(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge, gone = collector._of_ended_namespaces, stage.namespace()

    def late(rows: npt.NDArray[np.void]) -> npt.NDArray[np.bool_]:
        """The rows have been read; now the namespace drops more, and ends."""
        if gone.init.alive():
            for _ in range(5):
                stage.outside.kill(gone.init, 15)
            gone.init.end()
            gone.init.fate()
            assert gone.init.parent is not None
            gone.init.parent.end()
        return judge(rows)

    monkeypatch.setattr(counts, "CROWDED", 0)
    monkeypatch.setattr(collector, "_of_ended_namespaces", late)
    with Collector(ns=[gone.inode], scope="all") as live:
        stage.outside.kill(gone.init, 15)
        assert [live.counts().dropped() for _ in range(2)] == [{gone.inode: 6}] * 2


def test_counts_read_by_two_threads_at_once_are_counted_once(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = collector._of_ended_namespaces

    def slowly(rows: npt.NDArray[np.void]) -> npt.NDArray[np.bool_]:
        ended = judge(rows)
        time.sleep(0.02)  # time for another thread to have read the same rows
        return ended

    monkeypatch.setattr(counts, "CROWDED", 0)
    monkeypatch.setattr(collector, "_of_ended_namespaces", slowly)
    spaces = [stage.namespace() for _ in range(6)]
    with Collector(ns=[space.inode for space in spaces], scope="all") as live:
        for space in spaces:
            for _ in range(5):
                stage.outside.kill(space.init, 15)
            space.init.end()
            space.init.fate()  # collected: a zombie would keep the namespace
            assert space.init.parent is not None
            space.init.parent.end()
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: live.counts().dropped(), range(16)))
    assert answers == [{space.inode: 5 for space in spaces}] * 16


def test_signals_may_be_named(stage: Stage) -> None:
    namespace = stage.namespace()
    with Collector(ns=[namespace.inode], signals=["INT", "SIGRTMIN+3"]) as live:
        for number in (15, 2, 37):
            stage.outside.kill(namespace.init, number)
        assert [number for _, number in _targets(live)] == [2, 37]


@pytest.mark.parametrize(
    "arguments",
    [
        {"scope": "most"},
        {"signals": [65]},
        {"signals": [0]},
        {"signals": ["TREM"]},
        {"ns": ["x"]},
        {"ring_bytes": 5000},
        {"ring_bytes": 1 << 33},
        {"ns": [1 << 40]},
        {"ns": {5: -1}},
        {"method": "fentry"},
    ],
)
def test_arguments_that_make_no_sense_are_named(arguments: dict[str, object]) -> None:
    with pytest.raises(BadInput), Collector(**arguments):  # type: ignore[arg-type]
        pass


def test_a_container_that_does_not_exist_is_refused_with_the_argument_that_waits_for_it() -> None:
    with pytest.raises(NoSuchContainer, match=r"; if it has yet to start: wait=True$"):
        Collector(container=["no-such-container-here"]).__enter__()


def test_using_it_outside_its_block_is_refused_in_a_sentence() -> None:
    with pytest.raises(BadInput, match="with Collector"):
        Collector().drain()


def test_nothing_stays_open_behind(stage: Stage) -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    with Collector() as live:
        live.drain()
    before = descriptors()
    for _ in range(3):
        with Collector() as live:
            live.drain()
    assert descriptors() == before
