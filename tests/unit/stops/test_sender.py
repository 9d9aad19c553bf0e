"""Who sent a signal: by the names of its sender and of the sender's parent, as runtimes were seen to have them."""

from __future__ import annotations

import pytest

from sigtrace.events.container import Container
from sigtrace.stops.request import Record
from sigtrace.stops.sender import Asker, asker, by_its_maker

SENDER, PARENT = 7348, 6730
DOCKER, POD_ON_DOCKER = Container("d1", "web", "docker"), Container("d2", "app", "docker", pod="checkout")
CTR, POD = Container("c1", "c1", "containerd"), Container("c2", "app", "containerd", pod="checkout")
CRIO = Container("e1", "app", "cri-o", pod="checkout")
PODMAN, PODMANS_POD = Container("p1", "web", "podman"), Container("p2", "web", "podman", pod="shop")
LXC, NSPAWN, RUNC = (
    Container("l1", "l1", "lxc"),
    Container("n1", "n1", "nspawn"),
    Container("r1", "r1", "runc"),
)


def sent(
    comm: str, parent: str, relation: str = "ancestor", target: str = "app", pid: int = SENDER
) -> Record:
    return Record(relation, target, pid, comm, PARENT if parent else 0, parent)


@pytest.mark.parametrize(
    ("comm", "parent", "container", "by", "runtime"),
    [
        # an OCI runtime, child of a shim: whose shim it is, only the container says
        ("runc", "containerd-shim", DOCKER, "dockerd", "docker"),
        ("runc", "containerd-shim", POD_ON_DOCKER, "dockerd", "docker"),
        ("runc", "containerd-shim", POD, "CRI", "containerd"),
        ("runc", "containerd-shim", CTR, "containerd", "containerd"),
        ("crun", "containerd-shim", CTR, "containerd", "containerd"),
        ("runc", "containerd-shim", None, "containerd-shim", ""),
        ("runc", "containerd-shim", RUNC, "containerd-shim", ""),
        ("containerd-shim", "systemd", None, "containerd-shim", ""),
        ("containerd-shim", "systemd", DOCKER, "dockerd", "docker"),
        # a daemon or command of its own tells by its name
        ("runc", "podman", None, "podman", "podman"),
        ("crun", "podman", PODMANS_POD, "podman", "podman"),
        ("crun", "crio", CRIO, "CRI", "cri-o"),
        ("runc", "crio", None, "CRI", "cri-o"),
        ("containerd", "systemd", None, "containerd", "containerd"),
        ("containerd", "systemd", POD, "CRI", "containerd"),
        ("dockerd", "systemd", None, "dockerd", "docker"),
        ("lxc-stop", "bash", LXC, "lxc-stop", "lxc"),
        ("lxc-start", "systemd", LXC, "lxc-stop", "lxc"),
        ("systemd-nspawn", "bash", NSPAWN, "systemd-nspawn", "nspawn"),
        # conmon, beside the containers of two
        ("conmon", "systemd", PODMAN, "podman", "podman"),
        ("conmon", "systemd", CRIO, "CRI", "cri-o"),
        ("conmon", "systemd", None, "conmon", ""),
        ("conmon", "systemd", DOCKER, "conmon", ""),
        # an OCI runtime that anybody else started speaks for itself
        ("runc", "bash", None, "runc", "runc"),
        ("runc:[2:INIT]", "bash", None, "runc", "runc"),
        ("crun", "", None, "crun", "crun"),
        ("youki", "bash", None, "youki", "youki"),
        ("youki", "podman", None, "podman", "podman"),
        # and who is of no runtime does so too, whatever is beside it
        ("bash", "containerd-shim", DOCKER, "bash", ""),
        ("bash", "podman", PODMAN, "bash", ""),
        ("podman-helper", "runc", None, "podman-helper", ""),
        ("", "", DOCKER, "", ""),
    ],
)  # fmt: skip
def test_who_asks_is_told_by_names_and_the_container(
    comm: str, parent: str, container: Container | None, by: str, runtime: str
) -> None:
    found = asker(sent(comm, parent), container)
    assert (found.by, found.runtime) == (by, runtime)


@pytest.mark.parametrize("relation", ["same", "descendant", "self"])
def test_a_process_of_the_namespace_is_inside_whatever_its_name(relation: str) -> None:
    found = asker(sent("runc", "containerd-shim", relation), DOCKER)
    assert (found.by, found.runtime) == ("inside", "")
    assert str(found) == "a process inside: runc[7348], child of containerd-shim[6730]"


@pytest.mark.parametrize(("relation", "by", "words"), [
    ("kernel", "kernel", "the kernel itself"),
    ("", "", "nobody that is known"),
])  # fmt: skip
def test_without_a_sender_it_is_the_kernel_or_nobody(relation: str, by: str, words: str) -> None:
    found = asker(sent("runc", "containerd-shim", relation, pid=0), DOCKER)
    assert (found, str(found)) == (Asker(by), words)


@pytest.mark.parametrize(
    ("comm", "parent", "container", "words"),
    [
        ("runc", "containerd-shim", DOCKER, "docker: dockerd, through containerd-shim[6730] and runc[7348]"),
        (
            "runc", "containerd-shim", None,
            "a client of containerd (docker, Kubernetes or ctr), through containerd-shim[6730] and runc[7348]",
        ),
        ("crun", "podman", PODMAN, "podman[6730], through crun[7348]"),
        ("conmon", "systemd", PODMAN, "podman, through conmon[7348]"),
        ("lxc-start", "systemd", LXC, "lxc-stop, through the container's monitor lxc-start[7348]"),
        ("systemd-nspawn", "bash", NSPAWN, "systemd-nspawn[7348]"),
        ("runc", "bash", None, "runc[7348], child of bash[6730]"),
        ("crun", "", None, "crun[7348]"),
        ("systemd", "", None, "systemd, for a unit: systemd[7348]"),
        ("bash", "sshd", DOCKER, "a person or a script: bash[7348], child of sshd[6730]"),
    ],
)  # fmt: skip
def test_people_are_told_who_asked_and_what_was_seen(
    comm: str, parent: str, container: Container | None, words: str
) -> None:
    assert str(asker(sent(comm, parent), container)) == words


def test_each_signal_of_one_party_may_have_another_process() -> None:
    first, last = (
        asker(sent("runc", "podman", pid=1), PODMAN),
        asker(sent("conmon", "systemd", pid=2), PODMAN),
    )
    assert first != last
    assert first.same(last)
    assert not first.same(asker(sent("bash", "sshd"), PODMAN))
    assert not asker(sent("crun", "bash"), None).same(asker(sent("runc", "bash"), None))


@pytest.mark.parametrize(
    ("target", "comm", "expected"),
    [
        ("runc:[2:INIT]", "runc", True),
        ("crun", "crun", True),
        ("youki", "youki", True),
        ("lxc-start", "lxc-start", True),
        ("app", "runc", False),
        ("runc:[2:INIT]", "crun", False),
        ("bash", "bash", False),
        ("containerd-shim", "containerd-shim", False),
    ],
)
def test_an_init_that_is_still_its_makers_is_known(target: str, comm: str, expected: bool) -> None:
    assert by_its_maker(sent(comm, "x", target=target)) is expected


@pytest.mark.parametrize("hostile", ["\x1b[2J", "a\nb", "\udcff"])
def test_names_of_processes_are_made_harmless(hostile: str) -> None:
    said = str(asker(sent(hostile, hostile), None))
    assert said.isprintable()


def test_what_the_kernel_sends_is_nobodys_whoever_ran_just_then() -> None:
    assert asker(sent("runc", "containerd-shim", "kernel"), DOCKER) == Asker("kernel")
