"""Directories in which container runtimes keep their files: the defaults, and those that the user gives.

A directory is a path on the host, looked up inside `host`, the mount point of the host's file system: `/`, or for an
agent in a pod something like `/host`. The defaults are in the runtimes' descriptors, which are imported only if the
user gave a directory, to keep the start fast.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from sigtrace.containers.place import Place, Root, User
from sigtrace.errors import BadInput

VARIABLE = "SIGTRACE_ROOTS"
"""The environment variable with roots, separated by blanks: `host=/host docker=/data/docker`."""

_HOST = "host"


@dataclass(frozen=True)
class Roots:
    """The directories of all runtimes: those that the user gave, then the defaults."""

    host: str = "/"
    given: tuple[tuple[str, str], ...] = ()
    """`Root.name` and directory, in the order in which they are tried."""

    @classmethod
    def parse(cls, words: Iterable[str]) -> Roots:
        """Parse words `NAME=DIRECTORY`. A given directory is tried before the defaults; a name may occur repeatedly.

        Raises BadInput for an unknown name, and for a directory that is not absolute.
        """
        roots = cls()
        for word in words:
            written, _, directory = word.partition("=")
            name = written.replace("_", "-")
            if name not in (known := (_HOST, *(each.name for each in _known()))):
                import difflib

                near = difflib.get_close_matches(written, known, n=1)
                hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}."
                raise BadInput(f"unknown root {written!r} in {word!r}: {hint}")
            if not directory.startswith("/") or ".." in directory.split("/") or "\0" in directory:
                raise BadInput(
                    f"the root {word!r} needs an absolute directory without `..`: {written}=/DIRECTORY"
                )
            found = directory.rstrip("/") or "/"
            change = {"host": found} if name == _HOST else {"given": (*roots.given, (name, found))}
            roots = replace(roots, **change)
        return roots

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Roots:
        """Parse $SIGTRACE_ROOTS. Raises BadInput."""
        try:
            return cls.parse(environ.get(VARIABLE, "").split())
        except BadInput as err:
            raise BadInput(f"{VARIABLE}: {err}") from err

    def beside(self, more: Iterable[tuple[str, str]]) -> Roots:
        """Return the same with more directories, which are tried after those that the user gave."""
        return replace(self, given=(*self.given, *more))

    def of(self, directory: Root) -> tuple[str, ...]:
        """Return the paths of root's directory, in the order in which they are tried."""
        return (*(path for name, path in self.given if name == directory.name), *directory.defaults)

    def places(self, directory: Root, user: User | None = None) -> tuple[Place, ...]:
        """Return the places of a runtime's directory: root's, or those of a user with rootless containers."""
        if user is None:
            return tuple(Place(path) for path in self.of(directory))
        found = (
            [Place(user.home, directory.at_home, confined=True)] if directory.at_home and user.home else []
        )
        if directory.running:
            found.append(Place(f"/run/user/{user.uid}", directory.running, confined=True))
        return tuple(found)


def missing(roots: Roots) -> list[str]:
    """Return the directories that the user gave (`docker=/data/docker`) and that do not exist."""
    from sigtrace.containers.files import Files

    if not os.path.isdir(roots.host):
        return [f"{_HOST}={roots.host}"]
    files = Files(roots)
    given = ((each, path) for each in _known() for path in roots.of(each) if path not in each.defaults)
    return [f"{each.name}={path}" for each, path in given if not files.exists(Place(path))]


def _known() -> tuple[Root, ...]:
    from sigtrace.containers.runtimes.registry import ROOTS

    return ROOTS
