"""systemd-nspawn: a machine's name is its ID; its stop signal is on the command line or in NAME.nspawn.

systemd.nspawn(5) and src/nspawn/nspawn.c: `KillSignal=` or `--kill-signal=`; SIGRTMIN+3 for `--boot`. Otherwise
systemd-nspawn sends no stop signal: on SIGTERM it exits, and the machine is killed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from sigtrace.containers.files import Files
from sigtrace.containers.hint import NAME, Clue
from sigtrace.containers.place import Root
from sigtrace.containers.runtimes import oci
from sigtrace.containers.runtimes.runtime import Advice, CgroupForm, Runtime
from sigtrace.containers.runtimes.words import program
from sigtrace.events.container import Container
from sigtrace.text import decode

_PROGRAM = "systemd-nspawn"
_SETTINGS = Root("nspawn", ("/etc/systemd/nspawn", "/run/systemd/nspawn", "/var/lib/machines"))
"""The directories of NAME.nspawn."""
_WITH_VALUE = "DELMSZipu"
"""Short options of systemd-nspawn that take a value."""
_LONG = {"directory": "D", "image": "i", "machine": "M", "boot": "b", "kill-signal": "kill-signal"}
_FLAGS = frozenset(
    (
        "quiet ephemeral boot as-pid2 keep-unit private-network private-users private-users-chown network-veth "
        "read-only volatile pipe"
    ).split()
)
"""Long options that never take the next word as their value."""


def find(clue: Clue, files: Files) -> Container | None:
    """Find the machine. Its stop signal is unknown if neither the command line nor a .nspawn file gives it."""
    if clue.runtime != "nspawn":
        return None
    options = _options(clue.words) if machine(clue.words) == clue.id else None
    settings = _settings(clue.id, files)
    stop = (options or {}).get("kill-signal") or settings.get("KillSignal", "")
    boots = "b" in (options or {}) or settings.get("Boot", "").lower() in ("yes", "true", "1", "on")
    default = "SIGRTMIN+3" if boots else "SIGKILL" if options is not None else ""
    return Container(clue.id, clue.id, "nspawn", stop_signal=oci.signal_name(stop, default))


def machine(words: tuple[str, ...]) -> str:
    """Return the name of the machine that a command line starts; the default is that of its directory or image."""
    if program(words) != _PROGRAM:
        return ""
    options = _options(words)
    tree = options.get("D") or options.get("i", "").removesuffix(".raw")
    return options.get("M") or tree.rstrip("/").rpartition("/")[2]


def _options(words: tuple[str, ...]) -> dict[str, str]:
    """Return the options before the command to run, by letter, or by name if they have none. The last value counts."""
    found: dict[str, str] = {}
    rest = iter(words[1:])
    for word in rest:
        if word == "--" or not word.startswith("-"):
            break
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            if not equals and name not in _FLAGS:
                value = next(rest, "")
            found[_LONG.get(name, name)] = value
        else:
            found |= _cluster(word[1:], rest)
    return found


def _cluster(letters: str, rest: Iterator[str]) -> dict[str, str]:
    """Parse short options written together, such as `-bD DIRECTORY` or `-MNAME`."""
    found: dict[str, str] = {}
    for index, letter in enumerate(letters):
        if letter in _WITH_VALUE:
            found[letter] = letters[index + 1 :] or next(rest, "")
            break
        found[letter] = ""
    return found


def _settings(name: str, files: Files) -> dict[str, str]:
    """Return the section [Exec] of the first NAME.nspawn that exists."""
    for place in files.roots.places(_SETTINGS):
        if (raw := files.read(place, f"{name}.nspawn")) is not None:
            section, found = "", {}
            for line in decode(raw).splitlines():
                key, equals, value = line.strip().partition("=")
                section = key if not equals and key.startswith("[") else section
                if equals and section == "[Exec]":
                    found[key.strip()] = value.strip()
            return found
    return {}


def from_monitor(words: tuple[str, ...]) -> Clue | None:
    """Return the machine of a systemd-nspawn."""
    return Clue(machine(words), "nspawn") if program(words) == _PROGRAM else None


NSPAWN = Runtime(
    name="nspawn",
    runtime="nspawn",
    in_pods=False,
    roots=(_SETTINGS,),
    cgroups=(
        CgroupForm(re.compile(rf"machine-(?!qemu-|lxc-)({NAME})\.scope")),
        CgroupForm(re.compile(rf"systemd-nspawn@({NAME})\.service")),
    ),
    from_monitor=from_monitor,
    find=find,
    from_cgroup=None,
    from_init=None,
    inits=None,
    named_beside_id=False,
    asker=_PROGRAM,
    calls="",
    # Observed: systemd-nspawn itself.
    processes=(_PROGRAM,),
    shims=(),
    makers=(),
    for_others=False,
    grace=None,
    at_once="machinectl terminate, or the end of systemd-nspawn itself",
    advice=Advice(
        small_init="tini or catatonit in the machine, before its command (--as-pid2 does not pass signals on)",
        init_option="",
        stop_signal="systemd-nspawn --kill-signal, or KillSignal= in its .nspawn file",
        kill="machinectl terminate",
    ),
    pod_advice=None,
)
"""systemd-nspawn."""
