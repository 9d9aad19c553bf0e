"""Who only claims to be a container: a cgroup's name is checked against the init that the runtime has recorded."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sigtrace.containers.selector import ContainerSelector
from sigtrace.events.container import Container
from sigtrace.procfs import process
from tests.builders.captured import Host

D1 = "85c2cdf3a9382bc72fa5f90ccf97ccbb9cffcfcb005a153c0d45cc3633046d15"
D2 = "cd3445ca020690ed91681ea5a3f7bdea3c52cb075280fc64561b03f9ddc0f774"
P2 = "f101e60ab02d2d46fa6c55131187d82f27ceda8a36260e7531fb102fcdac4465"
NERDCTL = "5b1f0c8e3d7a49b2865e0f1d2c3b4a5968778695a4b3c2d1e0f1a2b3c4d5e6f7"
IMPOSTOR = 7777

Load = Callable[[str], Host]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    return lambda runtime: Host(runtime, tmp_path / runtime)


def add(host: Host, cgroup: str, pid: int = IMPOSTOR, start: int = 99) -> None:
    """Add a process in this cgroup, whose parent is not known."""
    stat = f"{pid} (x) S 1 {pid} {pid} 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 {start} 0 0\n"
    host.process(pid, {"cgroup": f"0::{cgroup}\n", "stat": stat, "SigBlk": "0"})


NESTED = [
    ("docker", f"/docker/{D2}/docker-{D1}.scope", "d1"),
    ("docker", f"/docker/{D2}/docker/{D1}", "d1"),
    ("docker", f"/system.slice/docker-{D2}.scope/a/b/docker-{D1}.scope/deep/er", "d1"),
    ("podman", f"/docker/{D2}/libpod-{P2}.scope", "p2"),
    ("containerd", f"/docker/{D2}/nerdctl-{NERDCTL}.scope", "web"),
    ("containerd", f"/docker/{D2}/default/web-1", "web-1"),
    ("runc", f"/docker/{D2}/rc-web", "rc-web"),
    ("crun", f"/docker/{D2}/cr-web", "cr-web"),
    ("crun", f"/docker/{D2}/any/cr-web", "cr-web"),
    ("lxc", f"/docker/{D2}/lxc.payload.web-lxc", "web-lxc"),
    ("nspawn", f"/docker/{D2}/machine-web.scope", "web"),
]


@pytest.mark.parametrize(("runtime", "cgroup", "label"), NESTED)
def test_a_cgroup_below_a_containers_does_not_pass_for_another_container(
    load: Load, runtime: str, cgroup: str, label: str
) -> None:
    host = load(runtime)
    add(host, cgroup)
    found = host.of(IMPOSTOR)
    assert found is not None
    assert found.id == D2  # where the kernel says that it is
    assert label not in (found.name, found.label, *found.columns)
    assert not ContainerSelector((label,)).matches(found)
    # runc's state has the whole path, so that nothing speaks for the name
    assert found.claims == ("" if runtime == "runc" else label)


def test_what_it_is_in_keeps_its_own_name_and_stop_signal(load: Load) -> None:
    host = load("docker")
    add(host, f"/docker/{D2}/docker-{D1}.scope")
    found = host.of(IMPOSTOR)
    assert found == Container(D2, "app", "docker", "bb:1", "checkout", "shop", "SIGRTMIN+3")


def test_a_line_in_the_name_of_a_cgroup_is_no_line(load: Load) -> None:
    host = load("docker")
    add(host, "")
    (host.proc / str(IMPOSTOR) / "cgroup").write_bytes(f"0::/docker/{D2}/x\r0::/docker/{D1}\n".encode())
    found = host.of(IMPOSTOR)
    assert found is not None
    assert (found.id, found.claims) == (D2, "d1")


@pytest.mark.parametrize("below", ["", "/init.scope", "/system.slice/cron.service"])
def test_other_processes_of_a_container_are_in_it(load: Load, below: str) -> None:
    host = load("docker")
    add(host, f"/docker/{D1}{below}")
    found = host.of(IMPOSTOR)
    assert found is not None
    assert (found.name, found.claims) == ("d1", "")


def test_a_container_in_a_container_that_no_file_knows_keeps_its_id(load: Load) -> None:
    host, inner = load("docker"), "ab" * 32
    add(host, f"/docker/{D1}/docker/{inner}")
    assert host.of(IMPOSTOR) == Container(inner, "", "docker")
    add(host, f"/docker/{D1}/kubelet/kubepods/besteffort/pod1/{inner}", 7778)
    assert host.of(7778) == Container(inner, "", "")


def test_a_container_in_a_container_whose_runtime_has_recorded_it_has_its_name(load: Load) -> None:
    """As in a node that is a container itself, whose own files are the ones that are read."""
    host = load("docker")
    add(host, f"/kubelet/{'ab' * 32}/docker/{D1}")
    (host.proc / "2536" / "cgroup").write_text(f"0::/kubelet/{'ab' * 32}/docker/{D1}\n")
    for pid in (IMPOSTOR, 2536):
        found = host.of(pid)
        assert found is not None
        assert (found.name, found.claims) == ("d1", "")


RECORDS = [
    (False, True, True),  # a PID alone may have been used again
    (True, False, True),
    (True, True, False),
]


@pytest.mark.parametrize(("with_start", "right", "named"), RECORDS)
def test_a_cgroup_that_only_root_can_make_is_refuted_by_a_record_with_pid_and_start(
    load: Load, with_start: bool, right: bool, named: bool
) -> None:
    host = load("docker")
    add(host, f"/docker/{D1}")
    (host.proc / "2536" / "cgroup").write_text("0::/elsewhere\n")
    start = process.read_stat(2536, str(host.proc)).start_ticks
    state = {"init_process_pid": 2536, "init_process_start": start if right else start + 1}
    if with_start:
        record = host.root / f"run/docker/runtime-runc/moby/{D1}/state.json"
        record.parent.mkdir(parents=True)
        record.write_text(json.dumps(state))
    found = host.of(IMPOSTOR)
    if named:
        assert found is not None
        assert found.name == "d1"
    else:
        assert found == Container("", "claims to be d1")
        assert found.claims == "d1"


def test_a_claim_is_chosen_by_no_word(load: Load) -> None:
    claimed, real = Container("", "claims to be d1", claims="d1"), Container(D1, "d1", "docker")
    for word in ("d1", "*", "claims to be d1", D1[:5]):
        assert not ContainerSelector((word,)).matches(claimed)
    assert ContainerSelector(("d1",)).checked([claimed, real]).matches(real)


def test_a_users_cgroup_does_not_pass_for_a_container_of_root(load: Load) -> None:
    host = load("docker")
    add(host, f"/user.slice/user-1234.slice/user@1234.service/app.slice/docker-{D1}.scope")
    found = host.of(IMPOSTOR)
    assert found == Container("", "claims to be d1")
    host = load("crun")
    add(host, "/user.slice/user-1234.slice/user@1234.service/cr-web")
    assert host.of(IMPOSTOR) == Container("", "claims to be cr-web")


def test_a_container_without_a_form_is_known_around_one_that_is_claimed(load: Load) -> None:
    host = load("crun")
    add(host, "/cr-v2/cr-web")
    found = host.of(IMPOSTOR)
    assert found is not None
    assert (found.name, found.claims) == ("cr-v2", "cr-web")
