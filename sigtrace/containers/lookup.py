"""Look up the container of a process: by its cgroup, by its parent's command line, by the runtimes' state files.

`of_process` reads /proc/PID/cgroup, then the files of the runtime that the cgroup names, below its `Roots`. It never
blocks and never raises. Any file may be missing, half-written or hostile; what is not known stays empty.
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
    """Return the innermost container that a process is in; None if it is in none, or gone."""
    try:
        membership = processes.read(f"{proc}/{pid}/cgroup")
    except OSError:
        return None
    subject, files = Clue("", pid=pid, proc=proc), Files(roots or Roots())
    reading = cgroup.read(membership)
    owners = tuple(_owners(reading, subject, files))
    found = _by_cgroup(reading, subject, owners, files)
    if found and found.name and found.stop_signal:
        return found
    # Only now: reading a command line may block, and its text is whatever the process claims.
    if parent := monitor.read(pid, proc):
        subject = replace(subject, words=parent.words) if parent.trusted else subject
        hint = _by_monitor(subject, parent, files)
        found = _by_cgroup(reading, subject, owners, files, hint)
        if hint and not found:
            found = _find(hint, files) or _without_files(hint)
    return found or _by_state(subject, owners, files)


def of_cgroup(membership: bytes, roots: Roots | None = None) -> Container | None:
    """Return the container that the content of /proc/PID/cgroup names."""
    subject, files = Clue(""), Files(roots or Roots())
    reading = cgroup.read(membership)
    return _by_cgroup(reading, subject, tuple(_owners(reading, subject, files)), files)


def _by_cgroup(
    reading: cgroup.Reading,
    subject: Clue,
    owners: tuple[User | None, ...],
    files: Files,
    hint: Clue | None = None,
) -> Container | None:
    """Look up by a cgroup that a runtime's files confirm, else by the innermost one that has a known form.

    hint: the clue from the parent's command line, which completes the clue to the same container.
    """
    for user in dict.fromkeys((*owners, None)):
        for from_cgroup in (each.from_cgroup for each in RUNTIMES):
            clue = from_cgroup and from_cgroup(replace(subject, user=user), reading.candidates, files)
            container = clue and _find(clue, files)
            if container:
                return container
    if reading.clue is None:
        return None
    clue = replace(reading.clue, pid=subject.pid, proc=subject.proc, words=subject.words)
    if hint and hint.id == clue.id and hint.runtime in ("", clue.runtime or hint.runtime):
        clue = replace(clue, runtime=hint.runtime, name=hint.name, bundle=hint.bundle)
    for user in owners:
        if container := _find(replace(clue, user=user), files):
            return container
    return _without_files(clue)


def _by_state(subject: Clue, owners: tuple[User | None, ...], files: Files) -> Container | None:
    """Look up a container without a cgroup of its own whose monitor is gone or unknown, by its init."""
    for user in owners:
        for from_init in (each.from_init for each in RUNTIMES):
            clue = from_init and from_init(replace(subject, user=user), files)
            if clue:
                return _find(clue, files)
    return None


def _by_monitor(subject: Clue, parent: monitor.Parent, files: Files) -> Clue | None:
    """Return the clue in the parent's command line, limited to containers of the parent's user."""
    clue = monitor.clue(parent.words)
    if clue is None:
        return None
    user = users.known(parent.uid, files) if parent.uid else None
    bundle = clue.bundle if parent.trusted else ""
    return replace(clue, pid=subject.pid, proc=subject.proc, words=subject.words, bundle=bundle, user=user)


def _owners(reading: cgroup.Reading, subject: Clue, files: Files) -> Iterator[User | None]:
    """Yield the users whose files to read, None for root.

    A cgroup below a user's own service manager is of that user: root's files do not apply. For any other, root comes
    first, then the users that may own the container.
    """
    uids = [reading.uid] if reading.uid else []
    if not (reading.delegated and uids):
        yield None
        uids += users.owners(subject.pid, subject.proc) if subject.pid else []
    for uid in dict.fromkeys(uids):
        yield users.known(uid, files)


def _find(clue: Clue, files: Files) -> Container | None:
    """Return the container from the files of the first runtime that has it."""
    for runtime in RUNTIMES:
        if container := runtime.find(clue, files):
            return container
    return None


def _without_files(clue: Clue) -> Container:
    """Return a container that no file describes, with what the clue says."""
    return Container(clue.id, text(clue.name), clue.runtime)
