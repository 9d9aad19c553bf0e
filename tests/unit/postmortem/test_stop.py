"""Who stopped a container, from the chains of processes that each runtime's own stop was seen to have."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from sigtrace.events import wire
from sigtrace.events.batch import Batch
from sigtrace.events.container import Container
from sigtrace.postmortem import Case, Window, diagnose, last_stop, stops
from sigtrace.postmortem.ranking import rank
from sigtrace.postmortem.timeline import timeline_entries, title
from tests.builders.cases import snapshot
from tests.builders.records import record

NSID, SECOND = 4026532249, 1_000_000_000
START = 100 * SECOND
Chain = tuple[tuple[bytes, int], tuple[bytes, int]]

DOCKER = Container("d" * 64, "web-1", "docker", "nginx:1.27")
POD = Container("c" * 64, "app", "containerd", "shop:3", "checkout-7d4f", "shop")
CTR = Container("c1", "c1", "containerd", "docker.io/x/bb:1")
CRIO = Container("e" * 64, "app", "cri-o", "shop:3", "checkout-7d4f", "shop")
PODMAN = Container("f" * 64, "p1", "podman", "localhost/bb:1")
RUNC = Container("r1", "r1", "runc")
CRUN = Container("r2", "r2", "crun")
LXC = Container("l1", "l1", "lxc", stop_signal="SIGPWR")
NSPAWN = Container("n1", "n1", "nspawn")

SHIM_RUNC = ((b"runc", 7348), (b"containerd-shim", 6730))
PODMAN_RUNC = ((b"runc", 4940), (b"podman", 4932))
PODMAN_CRUN = ((b"crun", 5582), (b"podman", 5567))
CRIO_RUNC = ((b"runc", 4940), (b"crio", 4932))
SHELL_RUNC = ((b"runc", 3405), (b"bash", 3400))
SHELL_CRUN = ((b"crun", 3457), (b"sh", 3455))
LXC_STOP = ((b"lxc-stop", 8959), (b"bash", 8932))
LXC_MONITOR = ((b"lxc-start", 8939), (b"systemd", 1))
NSPAWNED = ((b"systemd-nspawn", 10640), (b"bash", 10522))
SHELL = ((b"bash", 3400), (b"sshd", 3300))
CONMON = ((b"conmon", 900), (b"systemd", 1))


def event(at: float, chain: Chain = SHIM_RUNC, **changes: Any) -> npt.NDArray[np.void]:
    """A record of the namespace's init, `at` seconds after it was born, sent by a chain's first."""
    (comm, pid), (parent, above) = chain
    facts = {"nsid": NSID, "ns_start": START, "ns_level": 1, "target_pid": 4242, "target_ns_pid": 1}
    facts |= {"target_comm": b"app", "target_start": START, "sender_comm": comm, "sender_pid": pid}
    facts |= {"sender_parent_comm": parent, "sender_parent_pid": above}
    return record(**facts | {"time": START + int(at * SECOND)} | changes)


def kill(at: float, chain: Chain = SHIM_RUNC, **changes: Any) -> npt.NDArray[np.void]:
    return event(at, chain, signal=9, result=0, **changes)


def ended(at: float, code: int = 9) -> npt.NDArray[np.void]:
    return event(at, ((b"", 0), (b"", 0)), stage="exit", signal=0, exit_code=code)


def case(container: Container | None, *records: npt.NDArray[np.void]) -> Case:
    return Case.from_batch(Batch(np.concatenate(records), 0, "host"), ns=NSID, container=container)


def told(case: Case) -> list[str]:
    """What the story says of its first stop."""
    entry = next(entry for entry in timeline_entries(case) if entry.text.startswith("asked to stop"))
    return [entry.text, *entry.detail]


@pytest.mark.parametrize(
    ("container", "first", "last", "by", "runtime", "words"),
    [
        (
            DOCKER, SHIM_RUNC, SHIM_RUNC, "dockerd", "docker",
            "docker: dockerd, through containerd-shim[6730] and runc[7348]",
        ),
        (
            POD, SHIM_RUNC, SHIM_RUNC, "CRI", "containerd",
            "Kubernetes: a CRI call (kubelet or crictl), through containerd-shim[6730] and runc[7348]",
        ),
        (
            CRIO, CRIO_RUNC, CRIO_RUNC, "CRI", "cri-o",
            "Kubernetes: a CRI call (kubelet or crictl), through crio[4932] and runc[4940]",
        ),
        (
            CTR, SHIM_RUNC, SHIM_RUNC, "containerd", "containerd",
            "containerd's API (ctr or nerdctl), through containerd-shim[6730] and runc[7348]",
        ),
        (
            None, SHIM_RUNC, SHIM_RUNC, "containerd-shim", "",
            "a client of containerd (docker, Kubernetes or ctr), through containerd-shim[6730] and runc[7348]",
        ),
        (PODMAN, PODMAN_RUNC, PODMAN_RUNC, "podman", "podman", "podman[4932], through runc[4940]"),
        (None, PODMAN_CRUN, PODMAN_CRUN, "podman", "podman", "podman[5567], through crun[5582]"),
        (PODMAN, PODMAN_CRUN, CONMON, "podman", "podman", "podman[5567], through crun[5582]"),
        (RUNC, SHELL_RUNC, SHELL_RUNC, "runc", "runc", "runc[3405], child of bash[3400]"),
        (CRUN, SHELL_CRUN, SHELL_CRUN, "crun", "crun", "crun[3457], child of sh[3455]"),
        (LXC, LXC_STOP, LXC_MONITOR, "lxc-stop", "lxc", "lxc-stop[8959]"),
        (NSPAWN, NSPAWNED, NSPAWNED, "systemd-nspawn", "nspawn", "systemd-nspawn[10640]"),
        (DOCKER, SHELL, SHELL, "bash", "", "a person or a script: bash[3400], child of sshd[3300]"),
    ],
)  # fmt: skip
def test_a_stop_is_told_from_its_chain_of_processes(
    container: Container | None, first: Chain, last: Chain, by: str, runtime: str, words: str
) -> None:
    stop = last_stop(case(container, event(1, first), kill(6, last), ended(6)))
    assert stop is not None
    assert (stop.by, stop.runtime, str(stop.asker)) == (by, runtime, words)
    assert stop.killer is not None
    assert stop.killer.same(stop.asker)
    assert (stop.grace, stop.took) == (5 * SECOND, 5 * SECOND)


@pytest.mark.parametrize(
    ("container", "chain", "by", "looks_like"),
    [
        (DOCKER, SHIM_RUNC, "dockerd", "docker kill or docker rm -f"),
        (POD, SHIM_RUNC, "CRI", "a grace period of 0, or the end of its pod's sandbox"),
        (PODMAN, PODMAN_CRUN, "podman", "podman kill, or podman rm -f -t 0"),
        (LXC, LXC_MONITOR, "lxc-stop", "lxc-stop -k"),
        (None, SHELL, "bash", ""),
    ],
)
def test_sigkill_at_once_is_told_apart_from_a_stop(
    container: Container | None, chain: Chain, by: str, looks_like: str
) -> None:
    killed = case(container, kill(1, chain), ended(1))
    stop = last_stop(killed)
    assert stop is not None
    assert (stop.by, stop.looks_like, stop.first.signal_name) == (by, looks_like, "SIGKILL")
    assert stop.as_dict()["grace_seconds"] is None
    assert told(killed)[1].startswith("SIGKILL at once")


@pytest.mark.parametrize(
    ("container", "chain", "grace", "looks_like"),
    [
        (DOCKER, SHIM_RUNC, 10.02, "the default of `docker stop`, 10 s"),
        (PODMAN, PODMAN_RUNC, 10.01, "the default of `podman stop`, 10 s"),
        (POD, SHIM_RUNC, 30.05, "the default of a pod's terminationGracePeriodSeconds, 30 s"),
        (LXC, LXC_STOP, 60.0, "the default of `lxc-stop`, 1 min"),
        (DOCKER, SHIM_RUNC, 3.01, ""),
        (CTR, SHIM_RUNC, 10.0, ""),
        (None, SHELL, 10.0, ""),
    ],
)
def test_a_grace_period_looks_like_a_default_only_where_it_is_one(
    container: Container | None, chain: Chain, grace: float, looks_like: str
) -> None:
    stop = last_stop(case(container, event(1, chain), kill(1 + grace, chain), ended(1 + grace)))
    assert stop is not None
    assert stop.looks_like == looks_like


def test_a_grace_period_that_another_cut_short_looks_like_nothing() -> None:
    cut = case(DOCKER, event(1), kill(11, SHELL), ended(11))
    assert told(cut)[1:] == [
        "SIGTERM, then SIGKILL from a person or a script: bash[3400], child of sshd[3300] after a grace period "
        "of 10 s"
    ]


def test_the_configured_stop_signal_is_named_and_so_is_another() -> None:
    quits = Container("d" * 64, "web-1", "docker", stop_signal="SIGQUIT")
    own = case(quits, event(1, signal=3), kill(2), ended(2))
    other = case(quits, event(1), kill(2), ended(2))
    assert told(own)[1].startswith("SIGQUIT, its configured stop signal, then SIGKILL after a grace period")
    assert told(other)[1].startswith("SIGTERM, though SIGQUIT is configured, then")
    assert [s.configured for s in (*stops(own), *stops(other))] == [True, False]
    (finding,) = diagnose(own).findings
    assert finding.summary.startswith("SIGQUIT (its configured stop signal) was sent to app[4242]")


def test_a_stop_begins_with_its_own_signal_not_with_one_that_came_before() -> None:
    hup, inside = (
        event(1, signal=1),
        event(2, ((b"kill", 7300), (b"containerd-shim", 6730)), signal=9, relation="same"),
    )
    stop = last_stop(case(DOCKER, hup, inside, event(3), kill(8), ended(8)))
    assert stop is not None
    assert (stop.first.signal_name, stop.by, stop.grace) == ("SIGTERM", "dockerd", 5 * SECOND)


def test_what_comes_from_inside_is_no_runtimes() -> None:
    chain = ((b"kill", 7300), (b"containerd-shim", 6730))
    assert stops(case(DOCKER, event(1, chain, signal=9, relation="same"))) == []  # no init obeys that
    stop = last_stop(case(DOCKER, event(1, chain, relation="same")))
    assert stop is not None
    assert (stop.by, stop.runtime, stop.kill) == ("inside", "", None)
    assert str(stop.asker) == "a process inside: kill[7300], child of containerd-shim[6730]"


def test_a_runtime_that_stops_what_ignored_a_person_is_the_one_that_stopped_it() -> None:
    stop = last_stop(case(DOCKER, event(1, SHELL), event(5), kill(8), ended(8)))
    assert stop is not None
    assert (stop.by, stop.grace) == ("dockerd", 3 * SECOND)


def test_a_stop_that_was_obeyed_has_no_grace_period() -> None:
    handled = event(1, result=0, disposition="handler")
    stop = last_stop(case(DOCKER, handled, ended(1.25, 143 << 8)))
    assert stop is not None
    assert stop.as_dict() == {
        "by": "dockerd",
        "runtime": "docker",
        "via": ["containerd-shim[6730]", "runc[7348]"],
        "signal": "SIGTERM",
        "grace_seconds": None,
        "seconds": 0.25,
        "killed": False,
        "ended": "exited with code 143",
    }


def by_kernel(at: float, signal: int = 9) -> npt.NDArray[np.void]:
    nobody = ((b"", 0), (b"", 0))
    return event(at, nobody, signal=signal, result=0 if signal == 9 else 1, relation="kernel", code=128)


@pytest.mark.parametrize("signal", [9, 1])
def test_what_the_kernel_does_by_itself_is_no_stop(signal: int) -> None:
    assert stops(case(DOCKER, by_kernel(1, signal), ended(1))) == []


def test_a_kill_by_the_kernel_in_the_midst_of_a_stop_is_not_called_the_runtimes() -> None:
    both = case(DOCKER, event(1), by_kernel(4), ended(4))
    assert told(both) == [
        "asked to stop by docker: dockerd, through containerd-shim[6730] and runc[7348]",
        "SIGTERM, ended by the kernel's own SIGKILL 3 s later",
    ]


@pytest.mark.parametrize("signal", [1, 10])
def test_a_signal_that_means_something_else_is_no_stop(signal: int) -> None:
    reload = event(1, signal=signal, result=0, disposition="handler")
    assert stops(case(DOCKER, reload, event(300, ((b"", 0), (b"", 0)), stage="exec", signal=0))) == []
    assert stops(case(DOCKER, reload, ended(2.2, 0))) == []
    assert stops(case(DOCKER, reload, ended(1.2, 11))) == []
    own = Container("d" * 64, "web-1", "docker", stop_signal=str(signal))
    assert len(stops(case(own, reload, ended(2.2, 0)))) == 1


def another_runc(pid: int) -> Chain:
    return (b"runc", pid), (b"containerd-shim", 6730)


def test_a_grace_period_runs_from_the_request_that_sigkill_follows_up() -> None:
    asked = case(DOCKER, event(1, another_runc(5901)), event(18, another_runc(6140)), kill(19), ended(19))
    (stop,) = stops(asked)
    assert (stop.grace, stop.took, stop.earlier is not None) == (SECOND, SECOND, True)
    assert told(asked)[1:] == [
        "SIGTERM, then SIGKILL after a grace period of 1 s",
        "first asked 17 s before, by SIGTERM from runc[5901], child of containerd-shim[6730]",
    ]
    texts = [entry.text for entry in timeline_entries(asked)]
    assert [text for text in texts if text.startswith("SIGTERM")] == [
        "SIGTERM from runc[5901], child of containerd-shim[6730]",
        "SIGTERM from runc[6140], child of containerd-shim[6730]",
    ]
    (last,) = [entry.detail for entry in timeline_entries(asked) if "killed by" in entry.text]
    assert last == ("1 s after that SIGTERM, 18 s after the first signal that asked it to",)


def test_requests_of_several_senders_are_not_told_as_ones() -> None:
    asked = case(DOCKER, *(event(at, another_runc(5900 + at)) for at in (1, 2, 3)), event(50, SHELL))
    texts = [entry.text for entry in timeline_entries(asked)]
    assert "SIGTERM from runc[5901], child of containerd-shim[6730], 3 times, by 3 senders" in texts


def test_a_stop_that_was_obeyed_is_counted_from_the_request_that_the_program_got() -> None:
    taken = event(300, result=0, disposition="handler")
    (stop,) = stops(case(DOCKER, event(1), taken, ended(300.5, 0)))
    assert (stop.took, stop.grace) == (SECOND // 2, None)


def test_a_key_on_the_terminal_is_a_request_and_its_end_is_none() -> None:
    assert [stop.by for stop in stops(case(DOCKER, by_kernel(1, 2), ended(2, 0)))] == ["kernel"]
    assert stops(case(DOCKER, by_kernel(1, 1), ended(2, 0))) == []


def test_two_attempts_are_two_stops() -> None:
    found = stops(case(DOCKER, event(1), event(1000, SHELL), kill(1001, SHELL), ended(1001)))
    assert [stop.by for stop in found] == ["dockerd", "bash"]


def test_a_stop_of_what_is_still_there_says_so() -> None:
    later = event(4, ((b"", 0), (b"", 0)), stage="deliver", signal=17, relation="kernel")
    assert told(case(PODMAN, event(1, PODMAN_CRUN), later))[1:] == [
        "SIGTERM",
        "it is still there 3 s later",
    ]


def test_the_title_has_the_containers_name_runtime_and_image() -> None:
    assert title(case(DOCKER, event(1))).startswith(
        "web-1 (docker, image nginx:1.27), PID namespace 4026532249"
    )
    assert title(case(POD, event(1))).startswith(
        "shop/checkout-7d4f/app (containerd, image shop:3), PID namespace"
    )


@pytest.mark.parametrize("hostile", [b"\x1b[2J", b"a\nb", b"\xff\xfe"])
def test_hostile_names_of_processes_and_containers_stay_text(hostile: bytes) -> None:
    nasty = Container("x" * 12, "\x1b[2Jweb", "docker", "im\nage")
    made = case(nasty, event(1, ((hostile, 7), (hostile, 8))), kill(2), ended(2))
    said = title(made) + "".join(told(made))
    assert not {"\x1b", "\n"} & set(said)


@pytest.mark.parametrize(
    ("container", "words"),
    [
        (DOCKER, "docker run --init"),
        (PODMAN, "podman run --init"),
        (LXC, "lxc.init.cmd"),
        (POD, "shareProcessNamespace"),
    ],
)
def test_advice_is_in_the_words_of_the_runtime(container: Container, words: str) -> None:
    (finding,) = diagnose(case(container, event(1), kill(2), ended(2))).findings
    others = {"docker run", "podman run", "lxc.init.cmd", "shareProcessNamespace"} - {
        words.removesuffix(" --init")
    }
    assert words in finding.advice
    assert [other for other in others if other in finding.advice] == []


def test_findings_as_rows_have_the_container_and_its_stop() -> None:
    (row,) = diagnose(case(POD, event(1), kill(31), ended(31))).rows()
    shown = {key: row[key] for key in ("container_name", "runtime", "image", "pod", "pod_namespace", "host")}
    assert shown == {
        "container_name": "app",
        "runtime": "containerd",
        "image": "shop:3",
        "pod": "checkout-7d4f",
        "pod_namespace": "shop",
        "host": "host",
    }
    assert row["stop"] is not None
    assert (row["stop"]["by"], row["stop"]["grace_seconds"], row["stop"]["killed"]) == ("CRI", 30.0, True)
    (unnamed,) = diagnose(case(None, event(1, signal=10, relation="same"), event(2, signal=15))).rows()
    assert (unnamed["container_id"], unnamed["stop"]["killed"]) == ("", False)


def seen_now(container: Container, **masks: str) -> list[str]:
    """The causes found in a namespace that nobody asked, by one look at its init."""
    rows = snapshot(1, masks)
    nothing = Batch(np.zeros(0, wire.EVENT.dtype()), 0, "host")
    window = Window(1, 2, live=True)
    report = diagnose(Case.from_batch(nothing, rows, ns=NSID, window=window, container=container))
    assert report.failed == ()
    return [f"{finding.cause}: {finding.summary.split('.')[0]}" for finding in report.findings]


def test_a_living_container_is_judged_by_its_own_stop_signal() -> None:
    term, quit = f"{1 << 14:016x}", f"{1 << 2:016x}"
    quits = Container("d" * 64, "web-1", "docker", stop_signal="SIGQUIT")
    assert seen_now(quits, caught=quit) == []
    assert seen_now(quits) == [
        "dropped-at-generate: A SIGQUIT to app[4242], PID 1 of its namespace, is discarded: it has no handler"
    ]
    assert seen_now(quits, caught=term) == [
        "wrong-stop-signal: SIGQUIT, its configured stop signal, is discarded by app[4242]; it does take SIGTERM"
    ]
    assert seen_now(DOCKER, caught=term) == []
    assert seen_now(quits, ignored=quit) == ["ignored-by-program: app[4242] ignores SIGQUIT (SIG_IGN)"]


def test_an_init_that_the_kernel_kills_is_listed_as_such() -> None:
    (asked,) = rank([case(DOCKER, event(1, result=0, disposition="handler"), by_kernel(4), ended(4))])
    assert (asked.signal, asked.outcome) == ("TERM", "killed by the kernel after 3 s")
    (unasked,) = rank([case(DOCKER, by_kernel(4), ended(4))])
    assert (unasked.signal, unasked.outcome, unasked.took) == ("-", "killed by the kernel", 0)


def test_a_handler_that_the_kernel_cut_short_was_not_slow_for_that() -> None:
    def found(at: float) -> list[str]:
        handled = {"disposition": "handler"}
        ran = event(1.001, stage="deliver", result=-1, **handled)
        return [
            each.cause
            for each in diagnose(
                case(DOCKER, event(1, result=0, **handled), ran, by_kernel(at), ended(at))
            ).findings
        ]

    assert found(4) == []
    assert found(30) == ["slow-handler"]


def test_spans_are_of_the_kernels_clock_in_words_too() -> None:
    records = np.concatenate([event(1), kill(11), ended(12)])
    stepped = Batch(records, np.array([0, -3600 * SECOND, -3600 * SECOND]), "host")
    (stop,) = stops(Case.from_batch(stepped, ns=NSID))
    assert (stop.grace, stop.took) == (10 * SECOND, 11 * SECOND)
    assert stop.as_dict()["seconds"] == 11


def test_many_requests_are_one_stop_though_few_of_them_are_told() -> None:
    asked = case(DOCKER, *(event(540 * number) for number in range(200)))
    (stop,) = stops(asked)
    assert (stop.attempt.requests, len(asked.requests) < 200) == (200, True)
