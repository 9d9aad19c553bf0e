"""LXC: `LXCPATH/NAME/config` (lxc.container.conf(5)). A container's name is its ID."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from sigtrace.containers.files import Files
from sigtrace.containers.hint import NAME, Clue
from sigtrace.containers.place import Place, Root
from sigtrace.containers.runtimes import oci
from sigtrace.containers.runtimes.runtime import Advice, CgroupForm, Grace, Runtime
from sigtrace.containers.runtimes.words import option, program
from sigtrace.events.container import Container
from sigtrace.procfs import process
from sigtrace.text import decode

_PATH = Root("lxc", ("/var/lib/lxc",), at_home=".local/share/lxc")
"""The lxcpath (`lxc-start -P`)."""
_MONITOR = "[lxc monitor] "
"""`[lxc monitor] LXCPATH NAME`: the title of a monitor in the background, in one word of the command line."""
_KEYS = ("lxc.signal.halt", "lxc.haltsignal")
"""The key, and its name before LXC 2.1."""
_MAX_FILES = 32
_SYSTEMD_HALT = 37
_SHARED = "/usr/share/lxc/"


def find(clue: Clue, files: Files) -> Container | None:
    """Find the container. Its stop signal is lxc.signal.halt, or the choice of lxc-stop (do_lxcapi_shutdown())."""
    if clue.runtime != "lxc":
        return None
    name, monitored = _monitored(clue)
    places = files.roots.places(_PATH, clue.user)
    if clue.user is None and monitored.startswith("/"):
        places = (Place(monitored), *places)
    for place in places:
        if (raw := files.read(place, name, "config")) is not None:
            halt = ""
            for key, value in _settings(raw, files, clue):
                halt = value if key in _KEYS else halt
            stop = oci.signal_name(halt) or ("SIGRTMIN+3" if _expects_systemd_halt(clue) else "SIGPWR")
            return Container(name, name, "lxc", stop_signal=stop)
    return Container(name, name, "lxc")


def _monitored(clue: Clue) -> tuple[str, str]:
    """Return name and lxcpath from the monitor's title; the cgroup's name is NAME-1 if NAME was taken."""
    title = clue.words[0].removeprefix(_MONITOR) if clue.words else ""
    path, _, name = title.rpartition(" ")
    return (name, path) if path and (clue.id == name or clue.id.startswith(f"{name}-")) else (clue.id, "")


def _settings(raw: bytes, files: Files, clue: Clue) -> Iterator[tuple[str, str]]:
    """Yield keys and values in order, with included files in place; each file once."""
    seen: set[str] = set()

    def lines(content: bytes) -> Iterator[tuple[str, str]]:
        for line in content.splitlines():
            key, equals, value = decode(line).partition("=")
            key, value = key.strip(), value.strip()
            if equals and key == "lxc.include" and (clue.user is None or value.startswith(_SHARED)):
                yield from included(value)
            elif equals:
                yield key, value

    def included(path: str) -> Iterator[tuple[str, str]]:
        if path in seen or len(seen) >= _MAX_FILES or not path.startswith("/"):
            return
        seen.add(path)
        for name in [name for name in files.names(Place(path)) if name.endswith(".conf")]:
            yield from included(f"{path}/{name}")
        yield from lines(files.read(Place(path)) or b"")

    return lines(raw)


def _expects_systemd_halt(clue: Clue) -> bool:
    """Return whether the init blocks SIGRTMIN+3, as systemd does to read it from a signalfd."""
    with contextlib.suppress(OSError, ValueError):
        return bool(
            clue.pid
            and int(process.read_status_field(clue.pid, "SigBlk", clue.proc), 16) >> (_SYSTEMD_HALT - 1) & 1
        )
    return False


def from_monitor(words: tuple[str, ...]) -> Clue | None:
    """Return the container of a monitor: from its title, or from the command line of `lxc-start -F`."""
    if words and words[0].startswith(_MONITOR):
        return Clue(words[0].rpartition(" ")[2], "lxc")
    if program(words) == "lxc-start":
        return Clue(option(words, "-n") or option(words, "--name"), "lxc")
    return None


LXC = Runtime(
    name="lxc",
    runtime="lxc",
    in_pods=False,
    roots=(_PATH,),
    cgroups=(
        CgroupForm(re.compile(rf"lxc\.payload\.({NAME})")),
        CgroupForm(re.compile(f"({NAME})"), below="lxc.payload"),
        CgroupForm(re.compile(f"({NAME})"), below="lxc"),
    ),
    from_monitor=from_monitor,
    find=find,
    from_cgroup=None,
    from_init=None,
    inits=None,
    named_beside_id=False,
    asker="lxc-stop",
    calls="lxc-stop, through the container's monitor",
    # Observed: SIGPWR by lxc-stop itself; SIGKILL by the container's monitor, lxc-start.
    processes=("lxc-start", "lxc-stop"),
    shims=(),
    makers=("lxc-start",),
    for_others=False,
    grace=Grace(seconds=60, of="`lxc-stop`"),
    at_once="lxc-stop -k",
    advice=Advice(
        small_init="lxc-execute does, or tini or catatonit as lxc.init.cmd",
        init_option="",
        stop_signal="lxc.signal.halt in its configuration",
        kill="lxc-stop -k",
    ),
    pod_advice=None,
)
"""LXC."""
