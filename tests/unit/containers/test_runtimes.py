"""Containers as real runtimes left them: docker, podman, containerd with and without CRI, runc, crun, LXC, nspawn."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from sigtrace.events.container import Container
from tests.builders.captured import Host

D1 = "85c2cdf3a9382bc72fa5f90ccf97ccbb9cffcfcb005a153c0d45cc3633046d15"
D2 = "cd3445ca020690ed91681ea5a3f7bdea3c52cb075280fc64561b03f9ddc0f774"
P2 = "f101e60ab02d2d46fa6c55131187d82f27ceda8a36260e7531fb102fcdac4465"
INPOD = "88945c776b76487a931c6e0864032e721af4433bc725b45f454ce8df0c79c037"
INPOD2 = "593a849c7b0e3f928f6dbda4bd44dfa90db0f98be9e755ff3c165aba80b1905e"
INFRA = "3e868d02797441b893bbb9b8754987331afa5152feb0cf6ec55f50d8f5687a27"
CRUN = "d52276308e59a0d72c3aad4215006c37d38ac60423fb66ef8f179d2996e461e5"
ROOTLESS = "b8583402bbe1d325168ee081b9f339b3b95ca322c074035348cb25ea7ed8e51a"
SANDBOX = "2aba96d5b2f528542e6b37f821280a512a6c5eb183ccb014c8426b44fee86df3"
APP = "1999c8f19a3cb4f7ec6640442b2485a2875dd2302d118f26691f87a0af878d28"
NERDCTL = "5b1f0c8e3d7a49b2865e0f1d2c3b4a5968778695a4b3c2d1e0f1a2b3c4d5e6f7"

Load = Callable[[str], Host]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    return lambda runtime: Host(runtime, tmp_path / runtime)


CONTAINERS = [
    ("docker", 2536, Container(D1, "d1", "docker", "bbq:1", stop_signal="SIGQUIT")),
    ("docker", 2603, Container(D2, "app", "docker", "bb:1", "checkout", "shop", "SIGRTMIN+3")),
    ("podman", 4266, Container(P2, "p2", "podman", "localhost/bb:1", stop_signal="SIGQUIT")),
    ("podman", 5539, Container(INPOD, "inpod", "podman", "localhost/bb:1", "shop", stop_signal="SIGTERM")),
    (
        "podman",
        4464,
        Container(INPOD2, "inpod2", "podman", "localhost/bb:1", "noinfra", stop_signal="SIGTERM"),
    ),
    (
        "podman",
        5604,
        Container(INFRA, "theinfra", "podman", "localhost/bb:1", "shopn", stop_signal="SIGTERM"),
    ),
    ("podman", 8994, Container(CRUN, "pc1", "podman", "localhost/bb:1", stop_signal="SIGTERM")),
    ("containerd", 11582, Container(SANDBOX, "POD", "containerd", "", "checkout-7d4f", "shop")),
    (
        "containerd",
        11613,
        Container(APP, "app", "containerd", "docker.io/library/bbq:1", "checkout-7d4f", "shop", "SIGQUIT"),
    ),
    (
        "containerd",
        15061,
        Container("web-1", "web-1", "containerd", "docker.io/library/bbq:1", stop_signal="SIGQUIT"),
    ),
    (
        "containerd",
        15124,
        Container(NERDCTL, "web", "containerd", "docker.io/library/bbq:1", stop_signal="SIGQUIT"),
    ),
    ("runc", 8101, Container("rc-web", "rc-web", "runc", "busybox:1", stop_signal="SIGQUIT")),
    ("crun", 8116, Container("cr-web", "cr-web", "crun", "busybox:1", stop_signal="SIGQUIT")),
    ("crun", 8976, Container("cr-v2", "cr-v2", "crun", "busybox:1", stop_signal="SIGQUIT")),
    ("lxc", 13254, Container("web-lxc", "web-lxc", "lxc", stop_signal="SIGRTMIN+3")),
    ("nspawn", 3413, Container("web-ns", "web-ns", "nspawn", stop_signal="SIGUSR2")),
    ("nspawn", 3423, Container("rootfs2", "rootfs2", "nspawn", stop_signal="SIGRTMIN+3")),
]


@pytest.mark.parametrize(
    ("runtime", "pid", "expected"), CONTAINERS, ids=lambda value: str(getattr(value, "label", value))
)
def test_a_real_container_is_known_by_its_files(
    load: Load, runtime: str, pid: int, expected: Container
) -> None:
    assert load(runtime).of(pid) == expected


@pytest.mark.parametrize(("runtime", "pid", "expected"), [row for row in CONTAINERS if row[0] != "nspawn"])
def test_a_container_whose_monitor_is_gone_is_known_all_the_same(
    load: Load, runtime: str, pid: int, expected: Container
) -> None:
    host = load(runtime)
    host.orphan(pid)
    assert host.of(pid) == expected


@pytest.mark.parametrize(
    ("runtime", "pid", "id_", "named"),
    [
        ("docker", 2536, D1, "docker"),
        ("podman", 4266, P2, "podman"),
        ("containerd", 15124, NERDCTL, ""),
        ("lxc", 13254, "web-lxc", "lxc"),
    ],
)
def test_without_any_file_the_cgroup_still_gives_the_id(
    load: Load, tmp_path: Path, runtime: str, pid: int, id_: str, named: str
) -> None:
    host = load(runtime)
    host.orphan(pid)
    empty = tmp_path / "empty"
    empty.mkdir()
    host.root = empty
    found = host.of(pid)
    assert found is not None
    assert (found.id, found.runtime, found.image) == (id_, named, "")


def test_conmon_names_a_container_whose_storage_is_gone(load: Load) -> None:
    host = load("podman")
    host.file("containers.json").unlink()
    for config in host.root.rglob("config.json"):
        config.unlink()
    assert host.of(4266) == Container(P2, "p2", "podman")


def test_conmon_says_where_a_storage_elsewhere_is(load: Load) -> None:
    host = load("podman")
    (host.root / "data").mkdir()
    (host.root / "var/lib/containers/storage").rename(host.root / "data/store")
    cmdline = next(path for path in host.proc.glob("*/cmdline") if P2 in path.read_text())
    cmdline.write_text(cmdline.read_text().replace("/var/lib/containers/storage", "/data/store"))
    assert host.of(4266) == Container(P2, "p2", "podman", "localhost/bb:1", stop_signal="SIGQUIT")
    host.orphan(4266)
    assert host.of(4266) == Container(P2, "", "podman")
    assert host.of(4266, "podman=/data/store") == Container(
        P2, "p2", "podman", "localhost/bb:1", stop_signal="SIGQUIT"
    )


@pytest.mark.skipif(os.getuid() != 0, reason="gives files away: root only")
def test_a_directory_that_a_users_process_claims_is_not_opened(load: Load) -> None:
    host = load("lxc")
    (host.root / "srv").mkdir()
    (host.root / "var/lib/lxc").rename(host.root / "srv/lxc")
    (cmdline,) = [path for path in host.proc.glob("*/cmdline") if "lxc monitor" in path.read_text()]
    cmdline.write_text("[lxc monitor] /srv/lxc web-lxc\0")
    os.chown(cmdline.parent, 1234, -1)
    assert host.of(13254) == Container("web-lxc", "web-lxc", "lxc")
    os.chown(cmdline.parent, 0, -1)
    assert host.of(13254) == Container("web-lxc", "web-lxc", "lxc", stop_signal="SIGRTMIN+3")


def test_an_index_that_lists_volatile_containers_is_read_too(load: Load) -> None:
    host = load("podman")
    index = host.file("containers.json")
    volatile = host.root / "run/containers/storage/overlay-containers/volatile-containers.json"
    volatile.parent.mkdir(parents=True)
    index.rename(volatile)
    assert host.of(4266) == Container(P2, "p2", "podman", "localhost/bb:1", stop_signal="SIGQUIT")


def test_a_pod_of_a_podman_with_sqlite_is_named(load: Load) -> None:
    host = load("podman")
    host.file("bolt_state.db").unlink()
    pod = host.file(f"{INPOD}/userdata/config.json")
    pod_id = json.loads(pod.read_text())["linux"]["cgroupsPath"].split("/")[2]
    database = sqlite3.connect(host.root / "var/lib/containers/storage/db.sql")
    with database:
        database.execute(
            "CREATE TABLE PodConfig(ID TEXT PRIMARY KEY NOT NULL, Name TEXT UNIQUE NOT NULL, JSON TEXT)"
        )
        database.execute("INSERT INTO PodConfig VALUES (?, 'shop', '{}')", (pod_id,))
    database.close()
    found = host.of(5539)
    assert found is not None
    assert found.label == "shop/inpod"


def test_what_a_database_would_compute_is_not_run(load: Load) -> None:
    host = load("podman")
    host.file("bolt_state.db").unlink()
    database = sqlite3.connect(host.root / "var/lib/containers/storage/db.sql")
    with database:
        database.execute(
            "CREATE VIEW PodConfig AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
            "SELECT i AS ID, hex(zeroblob(1000)) AS Name FROM n"
        )
    database.close()
    found = host.of(5539)
    assert found is not None
    assert found.pod == ""


def test_a_rootless_container_without_a_cgroup_is_found_in_its_owners_files(load: Load) -> None:
    host, uid = _rootless(load)
    expected = Container(ROOTLESS, "rl2", "podman", "localhost/bb:1", stop_signal="SIGTERM")
    assert host.of(15857) == expected
    os.chown(host.proc / "15857", uid, -1)
    host.orphan(15857)
    assert host.of(15857) == expected  # runc's state has the PID


def test_a_users_slice_says_whose_files_to_look_at(load: Load) -> None:
    host, uid = _rootless(load)
    slices = f"/user.slice/user-{uid}.slice/user@{uid}.service/user.slice"
    (host.proc / "15857" / "cgroup").write_text(f"0::{slices}/libpod-{ROOTLESS}.scope/container\n")
    host.orphan(15857)
    expected = Container(ROOTLESS, "rl2", "podman", "localhost/bb:1", stop_signal="SIGTERM")
    assert host.of(15857) == expected


def test_a_link_does_not_lead_out_of_a_users_home(load: Load) -> None:
    host, _ = _rootless(load)
    storage = host.root / "home/alice/.local/share/containers/storage"
    (host.root / "srv").mkdir()
    storage.rename(host.root / "srv/storage")
    storage.symlink_to(host.root / "srv/storage")
    assert host.of(15857) == Container(ROOTLESS, "rl2", "podman")  # conmon's words only
    storage.unlink()
    storage.symlink_to("../../../../../srv/storage")
    assert host.of(15857) == Container(ROOTLESS, "rl2", "podman")


def test_a_pod_of_docker_may_be_in_the_cgroups_of_kubernetes(load: Load) -> None:
    host = load("docker")
    pod = "pod0f3c7b6e-7d4f-4c55-9d6a-2f1b5a3e9c11"
    (host.proc / "2603" / "cgroup").write_text(f"0::/kubepods/burstable/{pod}/{D2}\n")
    assert host.of(2603) == Container(D2, "app", "docker", "bb:1", "checkout", "shop", "SIGRTMIN+3")
    config = host.file(f"{D2}/config.v2.json")
    config.write_text(
        config.read_text().replace(
            '"io.kubernetes.docker.type":"container"', '"io.kubernetes.docker.type":"podsandbox"'
        )
    )
    found = host.of(2603)
    assert found is not None
    assert found.label == "shop/checkout/POD"


def test_a_data_root_elsewhere_can_be_set(load: Load) -> None:
    host = load("docker")
    (host.root / "data").mkdir()
    (host.root / "var/lib/docker").rename(host.root / "data/docker")
    found = host.of(2536)
    assert found is not None
    assert found.name == ""
    found = host.of(2536, "docker=/data/docker")
    assert found is not None
    assert found.name == "d1"


CRIO = "c1" * 32
CRIO_LABELS = {
    "io.kubernetes.container.name": "app",
    "io.kubernetes.pod.name": "checkout-7d4f",
    "io.kubernetes.pod.namespace": "shop",
}
CRIO_NOTES = {
    "io.container.manager": "cri-o",
    "io.kubernetes.cri-o.ContainerType": "container",
    "io.kubernetes.cri-o.ImageName": "registry.example/app:7",
    "io.kubernetes.cri-o.Metadata": '{"name":"app"}',
    "io.kubernetes.cri-o.Labels": json.dumps(CRIO_LABELS),
    "org.opencontainers.image.stopSignal": "SIGQUIT",
}


@pytest.mark.parametrize("where", ["run/containers/storage", "var/lib/containers/storage"])
@pytest.mark.parametrize(
    ("notes", "expected"),
    [
        (
            CRIO_NOTES,
            Container(CRIO, "app", "cri-o", "registry.example/app:7", "checkout-7d4f", "shop", "SIGQUIT"),
        ),
        (
            {
                "io.container.manager": "cri-o",
                "io.kubernetes.cri-o.ContainerType": "sandbox",
                "io.kubernetes.cri-o.KubeName": "checkout-7d4f",
                "io.kubernetes.cri-o.Namespace": "shop",
            },
            Container(CRIO, "POD", "cri-o", "", "checkout-7d4f", "shop"),
        ),
    ],
    ids=["container", "sandbox"],
)
def test_cri_o_is_known_by_its_annotations(
    load: Load, where: str, notes: dict[str, str], expected: Container
) -> None:
    host = load("docker")
    bundle = host.root / where / "overlay-containers" / CRIO / "userdata"
    bundle.mkdir(parents=True)
    (bundle / "config.json").write_text(json.dumps({"ociVersion": "1.1.0", "annotations": notes}))
    for path in (
        f"/kubepods.slice/kubepods-pod1.slice/crio-{CRIO}.scope",
        f"/kubepods/burstable/pod1/crio-{CRIO}",
    ):
        (host.proc / "2536" / "cgroup").write_text(f"0::{path}\n")
        assert host.of(2536) == expected


def test_lxc_asks_for_a_halt_by_sigpwr_or_as_systemd_expects_it(load: Load) -> None:
    host = load("lxc")
    config = host.file("web-lxc/config")
    config.write_text("lxc.uts.name = web-lxc\n")
    assert host.of(13254) == Container("web-lxc", "web-lxc", "lxc", stop_signal="SIGPWR")
    (host.proc / "13254" / "status").write_text(f"Name:\tx\nSigBlk:\t{1 << 36:016x}\n")
    assert host.of(13254) == Container("web-lxc", "web-lxc", "lxc", stop_signal="SIGRTMIN+3")
    config.unlink()
    assert host.of(13254) == Container("web-lxc", "web-lxc", "lxc")


def test_lxc_configurations_include_others(load: Load) -> None:
    host = load("lxc")
    shared = host.root / "usr/share/lxc/config"
    (shared / "common.conf.d").mkdir(parents=True)
    (shared / "common.conf.d" / "halt.conf").write_text("lxc.signal.halt=SIGINT\n")
    (shared / "common.conf").write_text(
        "lxc.include = /usr/share/lxc/config/common.conf.d\nlxc.include = /usr/share/lxc/config/common.conf\n"
    )
    config = host.file("web-lxc/config")
    config.write_text("lxc.signal.halt = SIGHUP\nlxc.include = /usr/share/lxc/config/common.conf\n")
    found = host.of(13254)
    assert found is not None
    assert found.stop_signal == "SIGINT"


def test_a_users_lxc_configuration_includes_nothing_but_what_all_share(load: Load) -> None:
    host, uid = _rootless(load)
    config = host.root / "home/alice/.local/share/lxc/web/config"
    config.parent.mkdir(parents=True)
    (host.root / "usr/share/lxc/config").mkdir(parents=True)
    for file, signal in (("root/secret", "SIGINT"), ("usr/share/lxc/config/common.conf", "SIGHUP")):
        (host.root / file).parent.mkdir(exist_ok=True)
        (host.root / file).write_text(f"lxc.signal.halt = {signal}\n")
    slices = f"/user.slice/user-{uid}.slice/user@{uid}.service"
    (host.proc / "15857" / "cgroup").write_text(f"0::{slices}/lxc.payload.web\n")
    for path, signal in (
        ("/root/secret", "SIGPWR"),
        ("/usr/share/lxc/../../../root/secret", "SIGPWR"),
        ("/usr/share/lxc/config/../../../../root/secret", "SIGPWR"),
        ("/usr/share/lxc/config/common.conf", "SIGHUP"),
    ):
        config.write_text(f"lxc.include = {path}\n")
        assert host.of(15857) == Container("web", "web", "lxc", stop_signal=signal)


def test_the_lxc_monitor_knows_path_and_name(load: Load) -> None:
    host = load("lxc")
    cgroup = host.proc / "13254" / "cgroup"
    cgroup.write_text("0::/lxc.payload.web-lxc-1\n")
    (host.root / "srv").mkdir()
    (host.root / "var/lib/lxc").rename(host.root / "srv/lxc")
    (cmdline,) = [path for path in host.proc.glob("*/cmdline") if "lxc monitor" in path.read_text()]
    cmdline.write_text("[lxc monitor] /srv/lxc web-lxc\0")
    assert host.of(13254) == Container("web-lxc", "web-lxc", "lxc", stop_signal="SIGRTMIN+3")


def test_nspawn_settings_come_from_a_file_too(load: Load) -> None:
    host = load("nspawn")
    cgroup = host.proc / "3413" / "cgroup"
    cgroup.write_text("0::/machine.slice/machine-web\\x2dns.scope/payload\n")
    host.orphan(3413)
    assert host.of(3413) == Container("web-ns", "web-ns", "nspawn")
    settings = host.root / "etc/systemd/nspawn/web-ns.nspawn"
    settings.parent.mkdir(parents=True)
    settings.write_text("[Network]\nKillSignal=SIGINT\n[Exec]\nBoot = yes\n")
    assert host.of(3413) == Container("web-ns", "web-ns", "nspawn", stop_signal="SIGRTMIN+3")
    settings.write_text("[Exec]\nBoot=no\nKillSignal=SIGINT\n")
    assert host.of(3413) == Container("web-ns", "web-ns", "nspawn", stop_signal="SIGINT")


def test_runc_is_known_by_the_pid_of_the_init_when_the_cgroup_is_called_otherwise(load: Load) -> None:
    host = load("runc")
    (host.proc / "8101" / "cgroup").write_text("0::/custom/place\n")
    found = host.of(8101)
    assert found is not None
    assert found.name == "rc-web"
    stat = host.proc / "8101" / "stat"
    fields = stat.read_text().rsplit(" ")
    fields[21] = "1"  # born at another time: the number has been used again
    stat.write_text(" ".join(fields))
    assert host.of(8101) is None


def test_a_cgroup_that_only_has_the_name_of_a_container_is_not_one(load: Load) -> None:
    host = load("runc")
    (host.proc / "8101" / "cgroup").write_text("0::/user.slice/rc-web.service\n")
    (host.proc / "8101" / "stat").write_text("8101 (x) S 1 " + "0 " * 48)
    assert host.of(8101) is None


def test_a_process_that_is_gone_is_in_no_container(load: Load) -> None:
    assert load("docker").of(4_000_000) is None


def _rootless(load: Load) -> tuple[Host, int]:
    """The rootless host, owned by a user that is not root, whoever runs the tests."""
    host, uid = load("rootless"), os.getuid() or 1234
    (host.root / "etc/passwd").write_text(
        f"root:x:0:0::/root:/bin/sh\nalice:x:{uid}:{uid}::/home/alice:/bin/sh\n"
    )
    if uid != 1234:
        (host.root / "run/user/1234").rename(host.root / f"run/user/{uid}")
    (parent,) = [path.parent for path in host.proc.glob("*/cmdline")]
    os.chown(parent, uid, -1)
    return host, uid
