"""Shell completion of option values: the namespaces, containers, pods and signals of this moment.

Nothing here raises or hangs, because the shell waits for the answer: what cannot be found in time is not offered.
Names are untrusted: a name is offered only if the shell takes every character of it literally.
"""

from __future__ import annotations

import contextlib
import functools
import re
import signal
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from sigtrace import signals
from sigtrace.text import shorten

if TYPE_CHECKING:
    from sigtrace.events.container import Container
    from sigtrace.procfs.namespaces import PidNamespace

_SECONDS, _FOR_NAMES = 0.5, 0.3
"""The longest time a shell waits, and the time after which no more containers are looked up."""
_HELP = 60
_LITERAL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+@-]*", re.ASCII)
"""Words that every shell takes literally."""

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]
_Offers = Callable[[str], Iterator[tuple[str, str]]]


def _completer(offers: _Offers) -> Completer:
    """A completer that filters `offers` (word, description) by what the user typed so far; each word once."""

    @functools.wraps(offers)
    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        found: dict[str, str] = {}
        with contextlib.suppress(Exception, _TooLong), _deadline(_SECONDS):
            for word, about in offers(incomplete):
                if word.startswith(incomplete) and _LITERAL.fullmatch(word):
                    found.setdefault(word, shorten(about, _HELP))
        return [CompletionItem(word, help=about or None) for word, about in found.items()]

    return complete


@_completer
def complete_namespaces(incomplete: str) -> Iterator[tuple[str, str]]:
    """Inodes of PID namespaces, with init's command, its PID and its container."""
    for namespace, container in _inits():
        if namespace.nsid is None:
            continue
        try:
            comm = _comm(namespace.init_pid)
        except OSError:  # it has ended in the meantime
            continue
        about = [comm, f"PID {namespace.init_pid}", container and container.label]
        yield str(namespace.nsid), ", ".join(part for part in about if part)


@_completer
def complete_containers(incomplete: str) -> Iterator[tuple[str, str]]:
    """Containers by name, those in pods also by label, and by ID once three characters of it are typed."""
    yield from _named(_containers(), incomplete)


def _named(known: list[Container], incomplete: str) -> Iterator[tuple[str, str]]:
    names = [container.name for container in known]
    for container in sorted(known, key=lambda each: each.label):
        about = ", ".join(part for part in (container.image, container.runtime) if part)
        yield container.label, about
        if incomplete and names.count(container.name) == 1:
            yield container.name, about
        if len(incomplete) >= 3:
            yield container.id[: max(len(incomplete), 12)], f"{container.label}, {about}"


@_completer
def complete_pods(incomplete: str) -> Iterator[tuple[str, str]]:
    """Pods as NAMESPACE/NAME, with the names of their containers."""
    yield from _pods(_containers())


def _pods(known: list[Container]) -> Iterator[tuple[str, str]]:
    pods: dict[str, list[str]] = {}
    for container in known:
        if container.pod:
            words = (container.pod_namespace, container.pod)
            pods.setdefault("/".join(word for word in words if word), []).append(container.name)
    for pod, names in sorted(pods.items()):
        yield pod, ", ".join(sorted(filter(None, names)))


@_completer
def complete_targets(incomplete: str) -> Iterator[tuple[str, str]]:
    """What names a PID namespace in a plain word: containers and pods, and PIDs once a digit is typed."""
    if incomplete.isdigit():
        for namespace, container in _inits():
            if namespace.nsid is not None:
                about = [_comm(namespace.init_pid), container and container.label]
                yield str(namespace.init_pid), ", ".join(part for part in about if part)
    known = _containers()
    yield from _named(known, incomplete)
    yield from _pods(known)


def complete_directories_and_targets(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Directories, which the shell finds itself, and what `complete_targets` offers."""
    offered = [] if incomplete.startswith(("/", ".")) else complete_targets(ctx, param, incomplete)
    return [CompletionItem(incomplete, type="dir"), *offered]


@_completer
def complete_signals(incomplete: str) -> Iterator[tuple[str, str]]:
    """Names of signals, with or without SIG and in upper or lower case, following what the user typed."""
    full = incomplete.upper().startswith("SIG")
    for number, name in signals.NAMES.items():
        word = name if full else name.removeprefix("SIG")
        if number in signals.OF_THREADS:
            continue
        word = word.lower() if incomplete.islower() else word
        yield word, f"{number}: {_DEFAULTS[signals.default_action(number)]}"


_DEFAULTS = {
    "terminate": "ends a process by default",
    "core": "ends a process by default, with a core dump",
    "stop": "stops a process by default",
    "continue": "resumes a process",
    "ignore": "does nothing by default",
}


def _inits() -> Iterator[tuple[PidNamespace, Container | None]]:
    """The namespaces that have an init, with their containers as long as there is time to look them up."""
    from sigtrace.containers.of_namespace import NamespaceContainers
    from sigtrace.procfs.namespaces import survey

    until = time.monotonic() + _FOR_NAMES
    seen = survey()
    homes = NamespaceContainers(seen)
    for namespace in seen.namespaces:
        if namespace.init_pid is not None:
            yield namespace, homes.of(namespace) if time.monotonic() < until else None


def _containers() -> list[Container]:
    """The containers that have a PID namespace, once each."""
    return list(dict.fromkeys(container for _, container in _inits() if container))


def _comm(pid: int | None) -> str:
    from sigtrace.procfs import process

    return "" if pid is None else process.read_stat(pid).comm


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
