"""The container a process is in: by its cgroup, by what its parent says, by the state files of runtimes.

`of_process` reads /proc/PID/cgroup, then the files that the runtime named there keeps below its `Roots`. It never
waits and never raises, and every file may be missing, half-written or hostile: what is unknown stays unknown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sigtrace.containers import cgroup, monitor, users
from sigtrace.containers.files import Files, text
from sigtrace.containers.hint import Clue
from sigtrace.containers.paths import Roots
from sigtrace.containers.place import User
from sigtrace.containers.runtimes.registry import RUNTIMES
from sigtrace.events.container import Container
from sigtrace.procfs import process as processes


def of_process(pid: int, roots: Roots | None = None, proc: str = "/proc") -> Container | None:
    """The innermost container that a process is in, as far as files say; None if it is in none, or gone."""
    try:
        membership = processes.read(f"{proc}/{pid}/cgroup")
    except OSError:
        return None
    asked, files = Clue("", pid=pid, proc=proc), Files(roots or Roots())
    reading = cgroup.read(membership)
    owned = tuple(_owners(reading, asked, files))
    found = _by_cgroup(reading, asked, owned, files)
    if found and found.name and found.stop_signal:
        return found
    if parent := monitor.read(pid, proc):
        asked = replace(asked, words=parent.words) if parent.trusted else asked
        said = _said(asked, parent, files)
        found = _by_cgroup(reading, asked, owned, files, said)
        if said and not found:
            found = _ask(said, files) or _mentioned(said)
    return found or _by_state(asked, owned, files)


def of_cgroup(membership: bytes, roots: Roots | None = None) -> Container | None:
    """The same by the content of /proc/PID/cgroup alone."""
    asked, files = Clue(""), Files(roots or Roots())
    reading = cgroup.read(membership)
    return _by_cgroup(reading, asked, tuple(_owners(reading, asked, files)), files)


def _by_cgroup(
    reading: cgroup.Reading,
    asked: Clue,
    owned: tuple[User | None, ...],
    files: Files,
    said: Clue | None = None,
) -> Container | None:
    """By a cgroup that a runtime's files claim as theirs; else by the innermost one that names a container by its form.

    said: what the parent says, which adds to what is known of the same container.
    """
    for user in dict.fromkeys((*owned, None)):
        for named in (each.named for each in RUNTIMES):
            clue = named and named(replace(asked, user=user), reading.candidates, files)
            container = clue and _ask(clue, files)
            if container:
                return container
    if reading.clue is None:
        return None
    clue = replace(reading.clue, pid=asked.pid, proc=asked.proc, words=asked.words)
    if said and said.id == clue.id and said.runtime in ("", clue.runtime or said.runtime):
        clue = replace(clue, runtime=said.runtime, name=said.name, bundle=said.bundle)
    for user in owned:
        if container := _ask(replace(clue, user=user), files):
            return container
    return _mentioned(clue)


def _by_state(asked: Clue, owned: tuple[User | None, ...], files: Files) -> Container | None:
    """A container that has no cgroup of its own, and whose monitor is gone or silent."""
    for user in owned:
        for started in (each.started for each in RUNTIMES):
            clue = started and started(replace(asked, user=user), files)
            if clue:
                return _ask(clue, files)
    return None


def _said(asked: Clue, parent: monitor.Parent, files: Files) -> Clue | None:
    """What the parent says, about containers of its own user."""
    clue = monitor.says(parent.words)
    if clue is None:
        return None
    user = users.known(parent.uid, files) if parent.uid else None
    bundle = clue.bundle if parent.trusted else ""
    return replace(clue, pid=asked.pid, proc=asked.proc, words=asked.words, bundle=bundle, user=user)


def _owners(reading: cgroup.Reading, asked: Clue, files: Files) -> Iterator[User | None]:
    """Whose files to look at: the user's who made the cgroup; else root's, then those of whom it may belong to."""
    uids = [reading.uid] if reading.uid else []
    if not (reading.delegated and uids):
        yield None
        uids += users.owners(asked.pid, asked.proc) if asked.pid else []
    for uid in dict.fromkeys(uids):
        yield users.known(uid, files)


def _ask(clue: Clue, files: Files) -> Container | None:
    """What the first runtime that knows it says."""
    for runtime in RUNTIMES:
        if container := runtime.find(clue, files):
            return container
    return None


def _mentioned(clue: Clue) -> Container:
    """What is known of a container that no file tells of."""
    return Container(clue.id, text(clue.name), clue.runtime)
