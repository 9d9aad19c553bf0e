"""The descriptors of container runtimes: complete, registered, and true to what the tests of real ones found."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from sigtrace.containers import runtimes
from sigtrace.containers.place import Root
from sigtrace.containers.runtimes.docker import DOCKER
from sigtrace.containers.runtimes.registry import ROOTS, RUNTIMES, asked_by, of
from sigtrace.containers.runtimes.runtime import CgroupForm, Runtime
from sigtrace.events.container import Container
from tests import runtimes as drivers
from tests.runtimes.runtime import Runtime as Driver

ROOT = Path(__file__).parents[4]
DOCUMENT = (ROOT / "docs/containers.md").read_text()
COMM = 15
"""Characters of a process's name that the kernel keeps (TASK_COMM_LEN - 1)."""

NOTHING = (
    ("cgroups", "runc crun", "people choose the path: only files say that it is a container's"),
    ("from_monitor", "kubernetes", "its monitor is containerd's shim, and what that says is known there"),
    ("from_monitor", "runc crun", "they are gone once the container runs"),
    ("from_cgroup", "docker podman kubernetes cri-o lxc nspawn", "the path has a form, or is an ID of its files"),
    ("from_init", "docker podman kubernetes cri-o containerd lxc nspawn", "its containers have a cgroup of their own"),
    ("inits", "lxc nspawn", "none of the files that are read here has the PID of a machine's init"),
    ("calls", "nspawn runc crun", "the process that was seen is the one that asks"),
    ("processes", "runc crun", "their processes are makers, and speak for whoever started them"),
    ("shims", "lxc nspawn runc crun", "no other runtime has the process beside its containers"),
    ("shims.clients", "podman cri-o", "conmon asks for nobody: it is told by its own name"),
    ("makers", "docker podman kubernetes cri-o containerd", "an OCI runtime makes its containers"),
    ("makers", "nspawn", "how an init of its is called before it runs a program is not known"),
    ("grace", "containerd", "nerdctl has a default, ctr has none, and nobody can tell the two apart"),
    ("grace", "nspawn runc crun", "it gives none: whoever calls it waits"),
    ("advice.init_option", "kubernetes cri-o containerd lxc nspawn runc crun", "none of its own commands adds an init"),
    ("pod_advice.init_option", "docker", "nor does one of Kubernetes'"),
    ("pod_advice", "podman", "its pods are its own"),
    ("pod_advice", "kubernetes cri-o", "its advice is for pods"),
    ("pod_advice", "containerd lxc nspawn runc crun", "its containers in pods are another's, or it has none"),
)  # fmt: skip
"""Field, names of the runtimes that have nothing to fill in there, and why."""

NO_DRIVER = {"cri-o": "none runs in the tests"}


def empty(value: Any, prefix: str = "") -> Iterator[str]:
    """The fields without a value, those of what is inside too: `advice.kill`."""
    for field in fields(value):
        name, inside = f"{prefix}{field.name}", getattr(value, field.name)
        if inside is None or (isinstance(inside, str | tuple) and not inside):
            yield name
        for each in inside if isinstance(inside, tuple) else (inside,):
            # of these two, fields may be empty by themselves
            if is_dataclass(each) and not isinstance(each, CgroupForm | Root):
                yield from empty(each, f"{name}.")


def defined() -> Iterator[Runtime]:
    """The descriptors in the package's modules."""
    for module in pkgutil.iter_modules(runtimes.__path__):
        found = vars(importlib.import_module(f"{runtimes.__name__}.{module.name}")).values()
        yield from (each for each in found if isinstance(each, Runtime))


@pytest.mark.parametrize("runtime", RUNTIMES, ids=lambda runtime: runtime.name)
def test_every_field_is_filled_or_a_reason_is_given(runtime: Runtime) -> None:
    allowed = {field for field, names, _ in NOTHING if runtime.name in names.split()}
    assert set(empty(runtime)) == allowed


@pytest.mark.parametrize("field", [field.name for field in fields(Runtime)])
def test_a_descriptor_cannot_be_made_without_a_field(field: str) -> None:
    given = {each.name: getattr(DOCKER, each.name) for each in fields(Runtime)}
    assert Runtime(**given) == DOCKER
    del given[field]
    with pytest.raises(TypeError, match=field):
        Runtime(**given)


def test_an_empty_field_is_seen_wherever_it_is() -> None:
    hollow = replace(DOCKER, asker="", grace=None, advice=replace(DOCKER.advice, kill=""))
    assert set(empty(hollow)) - set(empty(DOCKER)) == {"asker", "grace", "advice.kill"}


def test_every_descriptor_is_registered_once() -> None:
    assert {id(each) for each in defined()} == {id(each) for each in RUNTIMES}
    assert len({each.name for each in RUNTIMES}) == len(RUNTIMES)


def test_who_runs_containers_for_others_is_asked_last() -> None:
    order = [each.for_others for each in RUNTIMES]
    assert order == sorted(order)


def test_two_runtimes_of_one_name_are_told_apart_by_their_pods() -> None:
    assert len({(each.runtime, each.in_pods) for each in RUNTIMES}) == len(RUNTIMES)
    names = [of(Container("c1", runtime="containerd", pod=pod)).name for pod in ("", "checkout")]
    assert names == ["containerd", "kubernetes"]
    assert of(Container("c1", runtime="docker", pod="checkout")) is DOCKER
    assert of(Container("c1", runtime="something else")) is None


@pytest.mark.parametrize("runtime", RUNTIMES, ids=lambda runtime: runtime.name)
def test_runtimes_through_which_one_asks_are_called_alike(runtime: Runtime) -> None:
    first = asked_by(runtime.asker)
    assert first is not None
    assert (runtime.calls, runtime.grace, runtime.at_once) == (first.calls, first.grace, first.at_once)


@pytest.mark.parametrize("runtime", RUNTIMES, ids=lambda runtime: runtime.name)
def test_processes_are_called_as_the_kernel_cuts_their_names(runtime: Runtime) -> None:
    shims = (shim.comm for shim in runtime.shims)
    assert [comm for comm in (*runtime.processes, *runtime.makers, *shims) if len(comm) > COMM] == []


def test_every_runtime_has_a_driver_that_asks_as_its_descriptor_says() -> None:
    found = set()
    for module in pkgutil.iter_modules(drivers.__path__):
        if not module.name.startswith(("test_", "conftest")):
            values = vars(importlib.import_module(f"{drivers.__name__}.{module.name}")).values()
            made = [each for each in values if isinstance(each, type) and issubclass(each, Driver)]
            found |= {(each.called, each.asker) for each in made if each.asker}
    assert found == {(each.runtime, each.asker) for each in RUNTIMES if each.name not in NO_DRIVER}


@pytest.mark.parametrize("directory", ROOTS, ids=lambda directory: directory.name)
def test_every_directory_is_documented_with_its_defaults(directory: Root) -> None:
    rows = [line for line in DOCUMENT.splitlines() if line.startswith("|")]
    named = [row for row in rows if f"`{directory.name}`" in row.split("|")[1]]
    assert len(named) == 1, f"docs/containers.md needs one row for the root {directory.name}"
    assert [path for path in directory.defaults if f"`{path}`" not in named[0]] == []


def test_nobody_waits_for_descriptors_before_a_container_is_looked_up() -> None:
    code = (
        "import sys; from sigtrace.live import collector, recorder; from sigtrace.containers import resolver;"
        "resolver.ContainerResolver(); sys.exit(any('containers.runtimes' in name for name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={}, check=False, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
