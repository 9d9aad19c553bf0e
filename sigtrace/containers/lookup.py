"""Look up the container of a process: by its cgroup, by its parent's command line, by the runtimes' state files.

`of_process` reads /proc/PID/cgroup, then the files of the runtime that the cgroup names, below its `Roots`. It never
blocks and never raises. Any file may be missing, half-written or hostile; what is not known stays empty. Whatever a
runtime's reader raises, that runtime knows nothing of this process (`_ask`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import ParamSpec, TypeVar

from sigtrace.containers import cgroup, identity, monitor
from sigtrace.containers import users as accounts
from sigtrace.containers.daemons import Daemons
from sigtrace.containers.files import Files, text
from sigtrace.containers.hint import Clue
from sigtrace.containers.paths import Roots
from sigtrace.containers.place import User
from sigtrace.containers.runtimes.registry import RUNTIMES, unread
from sigtrace.events.container import Container
from sigtrace.procfs import process as processes

Given = ParamSpec("Given")
Found = TypeVar("Found")


def of_process(
    pid: int, roots: Roots | None = None, proc: str = "/proc", daemons: Daemons | None = None
) -> Container | None:
    """Return the innermost container that a process is in; None if it is in none, or gone.

    daemons: asked for other directories where the runtime's files are not in those of `roots`.
    """
    roots = roots or Roots()
    found = _ask(_of_process, pid, roots, proc)
    if daemons and found and unread(found) and (more := _ask(daemons.roots, roots)):
        return _ask(_of_process, pid, roots.beside(more), proc) or found
    return found


def _of_process(pid: int, roots: Roots, proc: str) -> Container | None:
    try:
        membership = processes.read(f"{proc}/{pid}/cgroup")
    except OSError:
        return None
    subject, files = Clue("", pid=pid, proc=proc), Files(roots)
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
            found = _of_users(hint, dict.fromkeys((hint.user, None)), files, (False, hint.user is not None))
    return found or _by_state(subject, owners, files)


def of_cgroup(membership: bytes, roots: Roots | None = None) -> Container | None:
    """Return the container that the content of /proc/PID/cgroup names. Not checked: it is of no process."""
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

    A container that the process only claims to be in does not count, but the one around it does.
    hint: the clue from the parent's command line, which completes the clue to the same container.
    """
    claims = ""
    users = tuple(dict.fromkeys((*owners, None)))
    for clue in _among_candidates(reading, subject, users, files):
        if container := _find(clue, files):
            made = bool(reading.clues) or (reading.delegated and clue.user is None)
            if identity.believed(clue, container, files, made):
                return replace(container, claims=claims)
            claims = claims or container.label
    for index, found in enumerate(reading.clues):
        clue = replace(found, pid=subject.pid, proc=subject.proc, words=subject.words)
        if hint and hint.id == clue.id and hint.runtime in ("", clue.runtime or hint.runtime):
            clue = replace(clue, runtime=hint.runtime, name=hint.name, bundle=hint.bundle)
        nested = index < len(reading.clues) - 1
        container = _of_users(clue, users, files, made_by_others=(nested, nested or reading.delegated))
        if not container.claims:
            return replace(container, claims=claims)
        claims = claims or container.claims
    return identity.claim(claims) if claims else None


def _among_candidates(
    reading: cgroup.Reading, subject: Clue, users: Iterable[User | None], files: Files
) -> Iterator[Clue]:
    """Yield the clues to the containers whose files name a component of the path as their cgroup, deepest first."""
    for user in users:
        for from_cgroup in (each.from_cgroup for each in RUNTIMES if each.from_cgroup):
            left = reading.candidates
            while left and (clue := _ask(from_cgroup, replace(subject, user=user), left, files)):
                yield clue
                paths = [each.path for each in left]
                left = left[paths.index(clue.path) + 1 :] if clue.path in paths else ()


def _of_users(
    clue: Clue, users: Iterable[User | None], files: Files, made_by_others: tuple[bool, bool]
) -> Container:
    """Return the container from the files of the first of these users that has it, or what its name claims.

    made_by_others: whether somebody else than the user, and whether somebody else than root, may have chosen the name
    that led to the clue.
    """
    for user in users:
        own = replace(clue, user=user)
        if container := _find(own, files):
            made = made_by_others[user is None]
            return (
                container
                if identity.believed(own, container, files, made)
                else identity.claim(container.label)
            )
    return _without_files(clue)


def _by_state(subject: Clue, owners: tuple[User | None, ...], files: Files) -> Container | None:
    """Look up a container without a cgroup of its own whose monitor is gone or unknown, by its init."""
    for user in owners:
        for from_init in (each.from_init for each in RUNTIMES):
            clue = _ask(from_init, replace(subject, user=user), files) if from_init else None
            if clue:
                return _find(clue, files)
    return None


def _by_monitor(subject: Clue, parent: monitor.Parent, files: Files) -> Clue | None:
    """Return the clue in the parent's command line, limited to containers of the parent's user.

    None for a parent in a container: its monitors are not known here, and any process in it may look like one.
    """
    clue = None if parent.inside else _ask(monitor.clue, parent.words)
    if clue is None:
        return None
    user = accounts.known(parent.uid, files) if parent.uid else None
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
        uids += accounts.owners(subject.pid, subject.proc) if subject.pid else []
    for uid in dict.fromkeys(uids):
        yield accounts.known(uid, files)


def _find(clue: Clue, files: Files) -> Container | None:
    """Return the container from the files of the first runtime that has it."""
    for runtime in RUNTIMES:
        if container := _ask(runtime.find, clue, files):
            return container
    return None


def _ask(reader: Callable[Given, Found | None], *args: Given.args, **named: Given.kwargs) -> Found | None:
    """Call a reader of foreign files. Whatever it raises, the answer is None: it knows nothing of this process."""
    try:
        return reader(*args, **named)
    except Exception:
        return None


def _without_files(clue: Clue) -> Container:
    """Return a container that no file describes, with what the clue says."""
    return Container(clue.id, text(clue.name), clue.runtime)
