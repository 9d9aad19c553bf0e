"""Where container runtimes keep the files that name their containers: every default directory, in this one place.

A directory is written as the host sees it, and looked up inside `host`, which is where the host's file system
is mounted for us: `/`, or for an agent in a pod something like `/host`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from sigtrace.errors import BadInput

VARIABLE = "SIGTRACE_ROOTS"
"""The environment variable with roots, as `host=/host docker=/data/docker`: words with blanks between them."""


@dataclass(frozen=True)
class Place:
    """A directory to look into: `below`, inside `directory`."""

    directory: str
    below: str = ""
    confined: bool = False
    """It is a user's own: no link and no mount leads out of `directory`."""


@dataclass(frozen=True)
class User:
    """Whose containers they are when they are not root's (rootless)."""

    uid: int
    home: str = ""
    """Empty if it is not known, or not safe to look into."""


@dataclass(frozen=True)
class Roots:
    """The directories of each runtime, in the order they are tried. Underscores are written `-` by people."""

    host: str = "/"
    docker: tuple[str, ...] = ("/var/lib/docker",)
    """dockerd's `data-root`."""
    docker_run: tuple[str, ...] = ("/run/docker",)
    """dockerd's `exec-root`."""
    podman: tuple[str, ...] = ("/var/lib/containers/storage",)
    """Podman's and CRI-O's `graphroot` (`podman --root`)."""
    podman_run: tuple[str, ...] = ("/run/containers/storage",)
    """Podman's and CRI-O's `runroot` (`podman --runroot`)."""
    containerd: tuple[str, ...] = ("/run/containerd", "/run/k3s/containerd")
    """containerd's `state`."""
    containerd_data: tuple[str, ...] = ("/var/lib/containerd", "/var/lib/rancher/k3s/agent/containerd")
    """containerd's `root`."""
    runc: tuple[str, ...] = ("/run/runc",)
    """`runc --root`."""
    crun: tuple[str, ...] = ("/run/crun",)
    """`crun --root`."""
    lxc: tuple[str, ...] = ("/var/lib/lxc",)
    """The lxcpath (`lxc-start -P`)."""
    nspawn: tuple[str, ...] = ("/etc/systemd/nspawn", "/run/systemd/nspawn", "/var/lib/machines")
    """Where systemd-nspawn finds NAME.nspawn."""

    @classmethod
    def parse(cls, words: Iterable[str]) -> Roots:
        """Roots from words `NAME=DIRECTORY`. A directory given is tried before the defaults; words may repeat a name.

        Raises BadInput for an unknown name (listing the known ones), or a directory that is not absolute.
        """
        roots = cls()
        for word in words:
            written, _, directory = word.partition("=")
            name = written.replace("-", "_")
            if name not in _NAMES:
                import difflib

                near = difflib.get_close_matches(written, KNOWN, n=1)
                hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(KNOWN)}."
                raise BadInput(f"unknown root {written!r} in {word!r}: {hint}")
            if not directory.startswith("/") or ".." in directory.split("/") or "\0" in directory:
                raise BadInput(
                    f"the root {word!r} needs an absolute directory without `..`: {written}=/DIRECTORY"
                )
            given = directory.rstrip("/") or "/"
            added: Any = (
                given if name == "host" else _first(given, getattr(roots, name), getattr(cls(), name))
            )
            roots = replace(roots, **{name: added})
        return roots

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Roots:
        """The roots that $SIGTRACE_ROOTS adds to the defaults. Raises BadInput."""
        try:
            return cls.parse(environ.get(VARIABLE, "").split())
        except BadInput as err:
            raise BadInput(f"{VARIABLE}: {err}") from err

    def places(self, name: str, user: User | None = None) -> tuple[Place, ...]:
        """Where to look for `name`, a field of this class: for a user's containers in the user's own directories."""
        if user is None:
            return tuple(Place(directory) for directory in getattr(self, name))
        at_home, running = _OF_USERS[name]
        found = [Place(user.home, at_home, confined=True)] if at_home and user.home else []
        found += [Place(f"/run/user/{user.uid}", running, confined=True)] if running else []
        return tuple(found)


_NAMES = tuple(field.name for field in fields(Roots))
KNOWN = tuple(name.replace("_", "-") for name in _NAMES)
"""The names `Roots.parse` takes."""

_OF_USERS = {
    # below the user's home, below /run/user/UID
    "docker": (".local/share/docker", ""),
    "docker_run": ("", "docker"),
    "podman": (".local/share/containers/storage", ""),
    "podman_run": ("", "containers"),
    "containerd": ("", "containerd"),
    "containerd_data": (".local/share/containerd", ""),
    "runc": ("", "runc"),
    "crun": ("", "crun"),
    "lxc": (".local/share/lxc", ""),
    "nspawn": ("", ""),
}


def _first(given: str, before: tuple[str, ...], defaults: tuple[str, ...]) -> tuple[str, ...]:
    """The directories people gave in their order, then the defaults."""
    earlier = before[: len(before) - len(defaults)]
    return (*earlier, given, *defaults)
