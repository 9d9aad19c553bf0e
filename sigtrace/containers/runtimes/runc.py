"""runc, used directly or by a tool without files: `ROOT/ID/state.json` (libcontainer/container_linux.go)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from sigtrace.containers.files import Files, mapping, parse_json
from sigtrace.containers.hint import Candidate, Clue, Init, is_id
from sigtrace.containers.place import Place, Root
from sigtrace.containers.runtimes import oci
from sigtrace.containers.runtimes.runtime import Advice, Runtime
from sigtrace.events.container import Container
from sigtrace.procfs import process

_ROOT = Root("runc", ("/run/runc",), running="runc")
"""`runc --root`."""
_STATE = "state.json"
_INIT = ("init_process_pid", "init_process_start")


def find(clue: Clue, files: Files) -> Container | None:
    """Find the container. Its ID, which the user chooses, is its name."""
    if not clue.may_be("runc"):
        return None
    for place in files.roots.places(_ROOT, clue.user):
        if state := files.json(place, clue.id, _STATE):
            labels = mapping(state.get("config")).get("labels")
            pairs = (str(label).partition("=") for label in labels) if isinstance(labels, list) else ()
            return described(clue, "runc", {key: value for key, _, value in pairs})
    return None


def from_cgroup(clue: Clue, candidates: Iterable[Candidate], files: Files) -> Clue | None:
    """Return the clue in a cgroup path that a container's state confirms."""
    for candidate in candidates:
        for place in files.roots.places(_ROOT, clue.user):
            paths = mapping(files.json(place, candidate.name, _STATE).get("cgroup_paths"))
            if any(isinstance(path, str) and path.endswith(candidate.path) for path in paths.values()):
                return replace(clue, id=candidate.name, runtime="runc", path=candidate.path)
    return None


def inits(clue: Clue, files: Files) -> Iterator[Init]:
    """Yield the init in the container's state."""
    for place in files.roots.places(_ROOT, clue.user):
        yield from recorded(files, place, clue.id)


def recorded(files: Files, place: Place, *parts: str) -> Iterator[Init]:
    """Yield the init in the state of a container whose directory is `parts`."""
    yield from oci.init_of(files.json(place, *parts, _STATE), *_INIT)


def from_init(clue: Clue, files: Files) -> Clue | None:
    """Return the clue from the state of the container that has this process as its init."""
    return by_init(_ROOT, _STATE, _INIT, clue, files)


def by_init(root: Root, file: str, keys: tuple[str, str], clue: Clue, files: Files) -> Clue | None:
    """Search a runtime's states for the process's PID and start (clock ticks), which are under `keys`."""
    number = str(clue.pid).encode()
    for place in files.roots.places(root, clue.user):
        for name in files.names(place):
            raw = files.read(place, name, file, limit=1 << 20) if is_id(name) else None
            if raw and number in raw:
                state = mapping(parse_json(raw))
                if state.get(keys[0]) == clue.pid and state.get(keys[1]) == _start(clue):
                    return replace(clue, id=name)
    return None


def described(clue: Clue, runtime: str, notes: dict[str, str]) -> Container:
    """Make a container whose name is its ID, with the annotations of its image if there are any."""
    image = notes.get("org.opencontainers.image.ref.name", "")
    name = "" if len(clue.id) == 64 else clue.id
    return Container(clue.id, name, runtime, image, stop_signal=oci.signal_name(notes.get(oci.STOP_SIGNAL)))


def _start(clue: Clue) -> int | None:
    try:
        return process.read_stat(clue.pid, clue.proc).start_ticks
    except (OSError, ValueError):
        return None


SMALL_INIT = "tini or catatonit in the bundle, first in process.args of config.json"

RUNC = Runtime(
    name="runc",
    runtime="runc",
    in_pods=False,
    roots=(_ROOT,),
    cgroups=(),
    from_monitor=None,
    find=find,
    from_cgroup=from_cgroup,
    from_init=from_init,
    inits=inits,
    named_beside_id=False,
    asker="runc",
    calls="",
    processes=(),
    shims=(),
    # Observed: runc, a child of the process that ran it. Others start youki the same way; its own containers are not
    # known here.
    makers=("runc", "youki"),
    for_others=True,
    grace=None,
    at_once="runc kill ID KILL, or runc delete -f",
    advice=Advice(
        small_init=SMALL_INIT, init_option="", stop_signal="runc kill ID SIGNAL", kill="runc kill ID KILL"
    ),
    pod_advice=None,
)
"""runc, used directly."""
