"""Which container a cgroup path names, in the forms that runtimes and systemd give it; no files are there."""

from __future__ import annotations

import pytest

from sigtrace.containers import cgroup, of_cgroup
from sigtrace.containers.paths import Roots

A, B = "a1" * 32, "b2" * 32
POD = "pod0f3c7b6e-7d4f-4c55-9d6a-2f1b5a3e9c11"
SLICE = "kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod0f3c7b6e_7d4f_4c55_9d6a_2f1b5a3e9c11.slice"
NOWHERE = Roots(host="/nonexistent")

FORMS = [
    (f"/docker/{A}", A, "docker"),
    (f"/system.slice/docker-{A}.scope", A, "docker"),
    (f"/system.slice/docker-{A}.scope/init.scope", A, "docker"),
    (f"/user.slice/user-1000.slice/user@1000.service/user.slice/docker-{A}.scope", A, "docker"),
    (f"/some/parent/{A}", A, ""),
    (f"/ecs/0123456789abcdef0123456789abcdef/{A}", A, ""),
    (f"/libpod_parent/libpod-{A}", A, "podman"),
    (f"/libpod_parent/{B}/libpod-{A}", A, "podman"),
    (f"/machine.slice/libpod-{A}.scope", A, "podman"),
    (f"/machine.slice/libpod-{A}.scope/container", A, "podman"),
    (f"/machine.slice/machine-libpod_pod_{B}.slice/libpod-{A}.scope", A, "podman"),
    (f"/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{A}.scope", A, "podman"),
    (f"/system.slice/web.service/libpod-payload-1/libpod-{A}", A, "podman"),
    (f"/kubepods/besteffort/{POD}/{A}", A, ""),
    (f"/kubepods/{POD}/{A}", A, ""),
    (f"/{SLICE}/cri-containerd-{A}.scope", A, "containerd"),
    (
        f"/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-{POD}.slice/cri-containerd-{A}.scope",
        A,
        "containerd",
    ),
    (f"/system.slice/containerd.service/kubepods-burstable-{POD}.slice:cri-containerd:{A}", A, "containerd"),
    (f"/{SLICE}/crio-{A}.scope", A, "cri-o"),
    (f"/kubepods/burstable/{POD}/crio-{A}", A, "cri-o"),
    (f"/{SLICE}/crio-{A}.scope/container", A, "cri-o"),
    (f"/system.slice/nerdctl-{A}.scope", A, "containerd"),
    ("/lxc.payload.web", "web", "lxc"),
    ("/lxc.payload.web/init.scope", "web", "lxc"),
    ("/lxc.payload/web", "web", "lxc"),
    ("/lxc/101/ns/system.slice/ssh.service", "101", "lxc"),
    ("/machine.slice/machine-web.scope/payload", "web", "nspawn"),
    ("/machine.slice/machine-web\\x2d1.scope", "web-1", "nspawn"),
    ("/machine.slice/systemd-nspawn@web\\x2d1.service/payload/init.scope", "web-1", "nspawn"),
    # seen from inside a cgroup namespace
    (f"/../../kubepods/besteffort/{POD}/{A}", A, ""),
    (f"/../{A}", A, ""),
    (f"/../docker-{A}.scope", A, "docker"),
    # containers in containers: the innermost one
    (f"/docker/{B}/docker/{A}", A, "docker"),
    (f"/docker/{B}/kubelet/kubepods/besteffort/{POD}/{A}", A, ""),
    (f"/docker/{B}/kubelet.slice/kubelet-kubepods.slice/cri-containerd-{A}.scope", A, "containerd"),
    (f"/system.slice/docker-{B}.scope/libpod_parent/libpod-{A}", A, "podman"),
    (f"/lxc.payload.web/docker/{A}", A, "docker"),
    (f"/docker/{A} (deleted)", A, "docker"),
]


@pytest.mark.parametrize(
    ("path", "id_", "runtime"), FORMS, ids=[form[0].replace(A, "A").replace(B, "B") for form in FORMS]
)
@pytest.mark.parametrize("line", ["0::{}", "5:cpu,cpuacct:{}", "1:name=systemd:{}"])
def test_every_form_of_path_names_its_container(line: str, path: str, id_: str, runtime: str) -> None:
    found = of_cgroup(f"{line.format(path)}\n".encode(), NOWHERE)
    assert found is not None
    assert (found.id, found.runtime) == (id_, runtime)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "",
        "/..",
        "/init.scope",
        "/system.slice/docker.service",
        "/system.slice/containerd.service",
        "/user.slice/user-1000.slice/session-3.scope",
        "/user.slice/user-1000.slice/user@1000.service/app.slice/firefox.service",
        f"/libpod_parent/conmon-{A}",
        f"/machine.slice/libpod-conmon-{A}.scope",
        f"/{SLICE}/crio-conmon-{A}.scope",
        "/machine.slice/machine-qemu\\x2d1\\x2dvm.scope",
        f"/kubepods/besteffort/{POD}",
        "/lxc.monitor.web",
        f"/docker/{A[:-1]}",
        f"/docker/{A.upper()}",
        "/process/0123456789abcdef0123456789abcdef",
    ],
)
def test_other_cgroups_are_no_containers(path: str) -> None:
    assert of_cgroup(f"0::{path}\n".encode(), NOWHERE) is None


@pytest.mark.parametrize(
    "path",
    [
        "/lxc.payload...",
        "/lxc.payload./etc",
        "/lxc.payload.a\\x2f..\\x2fb",
        "/machine.slice/machine-..\\x2f..\\x2fetc.scope",
        "/machine.slice/machine-a\\x00b.scope",
        "/lxc/..",
        "/system.slice/cri-containerd-...scope",
        "/lxc.payload.a\x1b[31mb",
    ],
)
def test_a_name_that_is_no_component_of_a_path_is_not_taken(path: str) -> None:
    found = of_cgroup(f"0::{path}\n".encode(), NOWHERE)
    assert found is None or ("/" not in found.id and found.id not in (".", "..") and found.id.isprintable())


def test_any_hierarchy_may_tell() -> None:
    hybrid = f"12:memory:/user.slice\n3:cpu:/\n2:freezer:/docker/{A}\n1:name=systemd:/\n0::/\n"
    found = of_cgroup(hybrid.encode(), NOWHERE)
    assert found is not None
    assert found.id == A


def test_the_hierarchy_that_shows_most_containers_wins() -> None:
    found = of_cgroup(f"2:cpu:/docker/{B}\n1:name=systemd:/docker/{B}/docker/{A}\n".encode(), NOWHERE)
    assert found is not None
    assert found.id == A


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n\n",
        b"0::",
        b"garbage",
        b"::::",
        b"0::/" + b"/" * 100_000,
        b"0::/\xff\xfe/\x00",
        b"a:b\n" * 10_000,
    ],
)
def test_garbage_is_no_container(raw: bytes) -> None:
    assert of_cgroup(raw, NOWHERE) is None


def test_podmans_pod_is_read_from_the_path() -> None:
    for path in (
        f"/libpod_parent/{B}/libpod-{A}",
        f"/machine.slice/machine-libpod_pod_{B}.slice/libpod-{A}.scope",
    ):
        reading = cgroup.read(f"0::{path}\n".encode())
        assert reading.clues
        assert reading.clues[0].pod_id == B


def test_a_users_manager_tells_whose_cgroups_they_are() -> None:
    reading = cgroup.read(f"0::/user.slice/user-1000.slice/user@1000.service/libpod-{A}.scope\n".encode())
    assert (reading.uid, reading.delegated) == (1000, True)
    reading = cgroup.read(b"0::/user.slice/user-1000.slice/session-1.scope/web\n")
    assert (reading.uid, reading.delegated) == (1000, False)
