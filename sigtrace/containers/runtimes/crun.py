"""crun by itself: `ROOT/ID/status`, and the bundle's config.json beside it (src/libcrun/status.c)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sigtrace.containers.files import Files, text
from sigtrace.containers.hint import Candidate, Clue
from sigtrace.containers.place import Root
from sigtrace.containers.runtimes import oci
from sigtrace.containers.runtimes.runc import SMALL_INIT, by_init, described
from sigtrace.containers.runtimes.runtime import Advice, Runtime
from sigtrace.events.container import Container

_ROOT = Root("crun", ("/run/crun",), running="crun")
"""`crun --root`."""


def find(clue: Clue, files: Files) -> Container | None:
    """The container; its ID, which people choose, is its name."""
    if not clue.may_be("crun"):
        return None
    for place in files.roots.places(_ROOT, clue.user):
        if files.json(place, clue.id, "status"):
            return described(clue, "crun", oci.notes(files, place, clue.id))
    return None


def named(clue: Clue, candidates: Iterable[Candidate], files: Files) -> Clue | None:
    """The clue in a cgroup path that a container's status says is its own."""
    for candidate in candidates:
        for place in files.roots.places(_ROOT, clue.user):
            own = text(files.json(place, candidate.name, "status").get("cgroup-path"))
            # seen from different cgroup namespaces, one path is the other's end; systemd's scopes hold one more
            if own and (f"{own}/".startswith(f"{candidate.path}/") or candidate.path.endswith(own)):
                return replace(clue, id=candidate.name, runtime="crun")
    return None


def started(clue: Clue, files: Files) -> Clue | None:
    """The clue in the status of a container whose init the process is, whatever its cgroup."""
    return by_init(_ROOT, "status", ("pid", "process-start-time"), clue, files)


CRUN = Runtime(
    name="crun",
    runtime="crun",
    in_pods=False,
    roots=(_ROOT,),
    cgroups=(),
    says=None,
    find=find,
    named=named,
    started=started,
    named_beside_id=False,
    asker="crun",
    calls="",
    processes=(),
    shims=(),
    # Observed: crun, child of whoever ran it.
    makers=("crun",),
    for_others=True,
    grace=None,
    at_once="crun kill ID KILL, or crun delete -f",
    advice=Advice(
        small_init=SMALL_INIT, init_option="", stop_signal="crun kill ID SIGNAL", kill="crun kill ID KILL"
    ),
    pod_advice=None,
)
"""crun by itself."""
