"""Where running daemons keep their files, if elsewhere than usual: by their command lines and configurations.

Only root's daemons outside containers are believed: a process with all user IDs 0, in our user namespace and in the PID
namespace of /proc, whose mounts are ours or the host's. Any other could have us read files of its choice.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sigtrace.containers.files import Files, mapping, parse_json
from sigtrace.containers.monitor import might_hang
from sigtrace.containers.paths import Roots
from sigtrace.containers.place import Place
from sigtrace.containers.runtimes.words import option
from sigtrace.procfs import process
from sigtrace.text import decode

_SECONDS = 10.0
"""How long an answer holds: a daemon may start later, or again with another directory."""
_LONGEST = 1024
_SETTING = re.compile(r"""\s*([\w-]+)\s*=\s*(?:"([^"\\]*)"|'([^']*)')\s*(?:#.*)?""")


@dataclass(frozen=True)
class Daemon:
    """A daemon, and its settings of directories: the value of each is a `Root.name`."""

    comm: str
    options: Mapping[str, str]
    configured_by: tuple[str, ...]
    """The options with the path of its configuration."""
    configuration: str
    """The path without such an option."""
    keys: Mapping[str, str]
    section: str = ""
    """The TOML table with the keys; empty: those before any."""


DAEMONS = (
    Daemon(
        "dockerd",
        MappingProxyType(
            {"--data-root": "docker", "--graph": "docker", "-g": "docker", "--exec-root": "docker-run"}
        ),
        ("--config-file",),
        "/etc/docker/daemon.json",
        MappingProxyType({"data-root": "docker", "graph": "docker", "exec-root": "docker-run"}),
    ),
    Daemon(
        "containerd",
        MappingProxyType({"--root": "containerd-data", "--state": "containerd"}),
        ("--config", "-c"),
        "/etc/containerd/config.toml",
        MappingProxyType({"root": "containerd-data", "state": "containerd"}),
    ),
    Daemon(
        "crio",
        MappingProxyType({"--root": "podman", "-r": "podman", "--runroot": "podman-run"}),
        ("--config", "-c"),
        "/etc/crio/crio.conf",
        MappingProxyType({"root": "podman", "runroot": "podman-run"}),
        section="crio",
    ),
)
"""dockerd(8), containerd(8) and its config.toml(5), crio(8). conmon names the storage of podman's containers itself."""


class Daemons:
    """The directories of the daemons that run now."""

    def __init__(self, proc: str = "/proc") -> None:
        self._proc = proc
        self._until = 0.0
        self._found: tuple[tuple[str, str], ...] = ()

    def roots(self, known: Roots) -> tuple[tuple[str, str], ...]:
        """Return `Root.name` and directory of those that `known` does not have; looked up at most every 10 s."""
        if (now := time.monotonic()) >= self._until:
            self._until = now + _SECONDS
            self._found = tuple(dict.fromkeys(self._search(Files(known))))
        return self._found

    def _search(self, files: Files) -> Iterator[tuple[str, str]]:
        by_comm = {each.comm.encode(): each for each in DAEMONS}
        for pid in process.pids(self._proc):
            try:
                comm = process.read(f"{self._proc}/{pid}/comm").rstrip(b"\n")
                daemon = by_comm.get(comm)
                if daemon and self._believed(pid) and not might_hang(pid, self._proc):
                    raw = process.read(f"{self._proc}/{pid}/cmdline")
                    words = tuple(decode(word) for word in raw.rstrip(b"\0").split(b"\0"))
                    yield from directories(daemon, words, files)
            except (OSError, ValueError):  # it has ended, or it is hidden
                continue

    def _believed(self, pid: int) -> bool:
        status = process.read_status(pid, self._proc)
        if set(status.get("Uid", "").split()) != {"0"} or len(status.get("NSpid", "").split()) > 1:
            return False
        user, mounts = self._link(pid, "user"), self._link(pid, "mnt")
        seen = (self._link("self", "mnt"), self._link(1, "mnt"))
        return user != "" and user == self._link("self", "user") and mounts != "" and mounts in seen

    def _link(self, pid: int | str, kind: str) -> str:
        """The namespace of a process; empty if we may not see it."""
        try:
            return os.readlink(f"{self._proc}/{pid}/ns/{kind}")
        except PermissionError:
            return ""


def directories(daemon: Daemon, words: tuple[str, ...], files: Files) -> Iterator[tuple[str, str]]:
    """Yield `Root.name` and directory as a command line says, else as the configuration that it names does."""
    written = {name: value for key, name in daemon.options.items() if (value := option(words, key))}
    path = next(filter(None, (option(words, each) for each in daemon.configured_by)), daemon.configuration)
    if _is_safe(path):
        directory, _, file = path.rpartition("/")
        raw = files.read(Place(directory or "/"), file) or b""
        for key, value in settings(raw, daemon.section).items():
            if name := daemon.keys.get(key):
                written.setdefault(name, value)
    for name, value in written.items():
        if _is_safe(value):
            yield name, value.rstrip("/") or "/"


def settings(raw: bytes, section: str = "") -> dict[str, str]:
    """Return the settings with a text as their value: of a JSON object, or of one table of TOML. Raises nothing."""
    if raw.lstrip().startswith(b"{"):
        return {key: value for key, value in mapping(parse_json(raw)).items() if isinstance(value, str)}
    found: dict[str, str] = {}
    table = ""
    for line in raw.decode("utf-8", "replace").split("\n"):
        if line.lstrip().startswith("["):
            table = line.split("#")[0].strip().strip("[]").strip()
        elif table == section and len(line) <= _LONGEST and (setting := _SETTING.fullmatch(line.rstrip())):
            found.setdefault(setting[1], setting[2] or setting[3] or "")
    return found


def _is_safe(path: str) -> bool:
    return path.startswith("/") and len(path) <= _LONGEST and ".." not in path.split("/") and "\0" not in path
