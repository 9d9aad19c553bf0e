"""crun, used directly: `ROOT/ID/status`, with the bundle's config.json beside it (src/libcrun/status.c)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from sigtrace.containers.files import Files, text
from sigtrace.containers.hint import Candidate, Clue, Init
from sigtrace.containers.place import Root
from sigtrace.containers.runtimes import oci
from sigtrace.containers.runtimes.runc import SMALL_INIT, by_init, described
from sigtrace.containers.runtimes.runtime import Advice, Runtime
from sigtrace.events.container import Container

_ROOT = Root("crun", ("/run/crun",), running="crun")
"""`crun --root`."""
_INIT = ("pid", "process-start-time")


def find(clue: Clue, files: Files) -> Container | None:
    """Find the container. Its ID, which the user chooses, is its name."""
    if not clue.may_be("crun"):
        return None
    for place in files.roots.places(_ROOT, clue.user):
        if files.json(place, clue.id, "status"):
            return described(clue, "crun", oci.notes(files, place, clue.id))
    return None


def from_cgroup(clue: Clue, candidates: Iterable[Candidate], files: Files) -> Clue | None:
    """Return the clue in a cgroup path that a container's status confirms."""
    for candidate in candidates:
        for place in files.roots.places(_ROOT, clue.user):
            own = text(files.json(place, candidate.name, "status").get("cgroup-path"))
            # Seen from different cgroup namespaces, one path ends with the other; a systemd scope adds a component.
            if own and (f"{own}/".startswith(f"{candidate.path}/") or candidate.path.endswith(own)):
                return replace(clue, id=candidate.name, runtime="crun", path=candidate.path)
    return None


def inits(clue: Clue, files: Files) -> Iterator[Init]:
    """Yield the init in the container's status."""
    for place in files.roots.places(_ROOT, clue.user):
        yield from oci.init_of(files.json(place, clue.id, "status"), *_INIT)


def from_init(clue: Clue, files: Files) -> Clue | None:
    """Return the clue from the status of the container that has this process as its init."""
    return by_init(_ROOT, "status", _INIT, clue, files)


CRUN = Runtime(
    name="crun",
    runtime="crun",
    in_pods=False,
    roots=(_ROOT,),
    cgroups=(),
    from_monitor=None,
    find=find,
    from_cgroup=from_cgroup,
    from_init=from_init,
    inits=inits,
    named_beside_id=False,
    asker="crun",
    calls="",
    processes=(),
    shims=(),
    # Observed: crun, a child of the process that ran it.
    makers=("crun",),
    for_others=True,
    grace=None,
    at_once="crun kill ID KILL, or crun delete -f",
    advice=Advice(
        small_init=SMALL_INIT, init_option="", stop_signal="crun kill ID SIGNAL", kill="crun kill ID KILL"
    ),
    pod_advice=None,
)
"""crun, used directly."""
