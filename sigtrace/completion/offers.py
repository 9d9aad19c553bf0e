"""What there is at this moment to complete a value with: namespaces, containers, pods, PIDs and signals.

Nothing here raises or hangs, because the shell waits for the answer: what cannot be found in time is not offered.
Names are untrusted: a name is offered only if the shell takes every character of it literally.
"""

from __future__ import annotations

import contextlib
import re
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import TYPE_CHECKING

from sigtrace.completion import names

if TYPE_CHECKING:
    from sigtrace.completion.names import Named

_SECONDS, _FOR_NAMES = 0.5, 0.3
"""The longest time a shell waits, and the time after which no more containers are looked up."""
_HELP = 60
_LITERAL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+@-]*", re.ASCII)
"""Words that every shell takes literally."""


def offered(kind: str, begun: str) -> dict[str, str]:
    """Return the words of a kind that begin so, each with its description.

    kind: a key of `KINDS`, or a colon and the words that there are.
    """
    if kind.startswith(":"):
        return matching(((word, "") for word in kind[1:].split()), begun)
    found: dict[str, str] = {}
    with contextlib.suppress(Exception, _TooLong), _deadline(_SECONDS):
        if kind in KINDS:
            found = matching(KINDS[kind](begun), begun, found)
    return found


def matching(
    words: Iterable[tuple[str, str]], begun: str, found: dict[str, str] | None = None
) -> dict[str, str]:
    """Return those of the words that begin so and are literal, each once, with a description fit for a terminal.

    found: filled as the words come, so that those before an exception are there.
    """
    from sigtrace.text import shorten

    found = {} if found is None else found
    for word, about in words:
        if word.startswith(begun) and _LITERAL.fullmatch(word.lstrip("-")):
            found.setdefault(word, shorten(about, _HELP))
    return found


def _namespaces(begun: str) -> Iterator[tuple[str, str]]:
    """Inodes of PID namespaces, with init's command, its PID and its container."""
    for nsid, _, about in _inits("PID {}"):
        yield str(nsid), about


def _containers(begun: str) -> Iterator[tuple[str, str]]:
    """Containers by name, those in pods also by label, and by ID once three characters of it are typed."""
    known = _known()
    alike = [container.name for container in known]
    for container in sorted(known, key=lambda each: each.label):
        about = ", ".join(part for part in (container.image, container.runtime) if part)
        yield container.label, about
        if begun and alike.count(container.name) == 1:
            yield container.name, about
        if len(begun) >= 3:
            yield container.id[: max(len(begun), 12)], f"{container.label}, {about}"


def _pods(begun: str) -> Iterator[tuple[str, str]]:
    """Pods as NAMESPACE/NAME, with the names of their containers."""
    pods: dict[str, list[str]] = {}
    for container in _known():
        if container.pod:
            words = (container.pod_namespace, container.pod)
            pods.setdefault("/".join(word for word in words if word), []).append(container.name)
    for pod, below in sorted(pods.items()):
        yield pod, ", ".join(sorted(filter(None, below)))


def _targets(begun: str) -> Iterator[tuple[str, str]]:
    """What names a PID namespace in a plain word: containers and pods, and PIDs of inits once a digit is typed."""
    if begun.isdigit():
        for _, pid, about in _inits(""):
            yield str(pid), about
    yield from _containers(begun)
    yield from _pods(begun)


def _signals(begun: str) -> Iterator[tuple[str, str]]:
    """Names of signals, with or without SIG and in upper or lower case, following what the user typed."""
    from sigtrace import signals

    full = begun.upper().startswith("SIG")
    for number, name in signals.NAMES.items():
        word = name if full else name.removeprefix("SIG")
        if number in signals.OF_THREADS:
            continue
        word = word.lower() if begun.islower() else word
        yield word, f"{number}: {_DEFAULTS[signals.default_action(number)]}"


_DEFAULTS = {
    "terminate": "ends a process by default",
    "core": "ends a process by default, with a core dump",
    "stop": "stops a process by default",
    "continue": "resumes a process",
    "ignore": "does nothing by default",
}

KINDS: dict[str, Callable[[str], Iterator[tuple[str, str]]]] = {
    "namespaces": _namespaces,
    "containers": _containers,
    "pods": _pods,
    "targets": _targets,
    "directories+targets": lambda begun: iter(()) if begun.startswith(("/", ".")) else _targets(begun),
    "signals": _signals,
}
"""What can be listed."""


def _inits(words: str) -> Iterator[tuple[int, int, str]]:
    """The inode of each PID namespace that has an init, the PID of that, and what there is to say of it.

    words: how to say its PID, if at all.
    """
    from sigtrace.procfs import process
    from sigtrace.procfs.namespaces import survey

    known = names.containers(time.monotonic() + _FOR_NAMES)
    for each in survey().namespaces:
        nsid, pid = each.nsid, each.init_pid
        if nsid is None or pid is None:
            continue
        with contextlib.suppress(OSError):  # it has ended in the meantime
            label = known[pid].label if pid in known else ""
            about = (process.read_stat(pid).comm, words.format(pid), label)
            yield nsid, pid, ", ".join(filter(None, about))


def _known() -> list[Named]:
    """The containers that have a PID namespace, once each."""
    return list(dict.fromkeys(names.containers(time.monotonic() + _FOR_NAMES).values()))


class _TooLong(BaseException):
    """The time is up. Derived from BaseException so that no `except Exception` on the way catches it."""


@contextlib.contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    """Raise _TooLong in the block after `seconds`."""

    def expire(number: int, frame: FrameType | None) -> None:
        raise _TooLong

    before = signal.signal(signal.SIGALRM, expire)
    timer = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, *timer)
