"""Every reader of what others have written, with inputs to begin from. To add one: a line in TARGETS."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable

import click
import numpy as np

from sigtrace import signals, text
from sigtrace.check import pod_file
from sigtrace.check.plan import parse_ready
from sigtrace.cli.options import Duration, Moment, Size
from sigtrace.containers import cgroup, daemons, lookup, monitor, of_cgroup
from sigtrace.containers.files import Files, mapping, parse_json
from sigtrace.containers.paths import Roots
from sigtrace.containers.runtimes import bolt, podman
from sigtrace.containers.selector import ContainerSelector
from sigtrace.errors import BadInput, CannotTrace
from sigtrace.events import wire
from sigtrace.events.batch import Batch
from sigtrace.events.container import Container
from sigtrace.live.kernel import btf
from sigtrace.predict import forwarders
from sigtrace.predict.forwarding_programs import PROGRAMS
from sigtrace.procfs import freezer, namespaces, pidns, process
from sigtrace.procfs import target as processes
from sigtrace.snapshot import cgroups
from sigtrace.snapshot.reading import SnapshotRequest
from sigtrace.snapshot.reading import read as snapshot
from tests.builders.btf import kernel
from tests.builders.records import record
from tests.fuzz import hosts, recordings
from tests.fuzz.target import Target
from tests.unit.check.test_pod_file import COMPOSE, DEPLOYMENT

D1 = "85c2cdf3a9382bc72fa5f90ccf97ccbb9cffcfcb005a153c0d45cc3633046d15"
NOWHERE = Roots(host="/nonexistent")
WEB = Container(D1, "web-1", "docker", "nginx", "checkout", "shop")


def _records(raw: bytes) -> None:
    whole = raw[: len(raw) // wire.EVENT.size * wire.EVENT.size]
    batch = Batch(np.frombuffer(whole, wire.EVENT.dtype()), 0, "h")
    lines = list(batch.json_lines())
    assert [json.loads(line) for line in lines] == [json.loads(json.dumps(row)) for row in batch.rows()]
    assert all(line.isascii() and "\n" not in line for line in lines)


def _stat(raw: bytes) -> None:
    stat = process.parse_stat(raw)
    assert "\0" not in stat.comm


def _foreign_text(raw: bytes) -> None:
    """What a process chooses of its own /proc: comm, command line, cgroup. Nothing of it makes any reader fail."""
    root = str(hosts.proc())
    comm, _, rest = raw.partition(b"/")
    comm = comm[:15].split(b"\0")[0]
    path = rest.replace(b"\n", b"").replace(b"\0", b"")
    shown = comm.replace(b"\\", b"\\\\").replace(b"\n", b"\\n")  # as proc_task_name() escapes it
    for directory in (f"{root}/7", f"{root}/7/task/7"):
        _swap(f"{directory}/stat", rb"\(.*\)", b"(%s)" % comm)
        _swap(f"{directory}/status", rb"Name:\t[^\n]*\n", b"Name:\t%s\n" % shown)
    for name, content in (("cgroup", b"0::/%s\n" % path), ("cmdline", rest)):
        with open(f"{root}/7/{name}", "wb") as file:
            file.write(content)
    assert process.read_stat(7, root).comm == text.decode(comm)
    found = processes.read_target(7, root)
    processes.read_cmdline(found, root)
    assert (found.pid, found.caught, found.ignored) == (7, 0, 0)
    seen = namespaces.survey(root)
    assert {each.nsid for each in seen.namespaces} == {4026531836, 4026532000}
    rows = list(snapshot(SnapshotRequest(4026532000, "fuzz", root=root)))
    assert {row["pid"] for row in rows if "pid" in row} <= {7, 0}
    hosts.assert_sound(_of_process(7, root))


def _of_process(pid: int, root: str) -> Container | None:
    return lookup._of_process(pid, NOWHERE, root)  # what `of_process` would hide is a fault here


def _swap(path: str, pattern: bytes, by: bytes) -> None:
    with open(path, "rb") as file:
        content = file.read()
    with open(path, "wb") as file:
        file.write(re.sub(pattern, lambda _: by, content, count=1, flags=re.S))


def _membership(raw: bytes) -> None:
    reading = cgroup.read(raw)
    assert all("/" not in clue.id for clue in reading.clues)
    hosts.assert_sound(of_cgroup(raw, NOWHERE))
    freezer.frozen(raw, (freezer.Hierarchy("v2", "/nonexistent", "/"),))
    cgroups.path_of(raw).encode()


def _mountinfo(raw: bytes) -> None:
    freezer.hierarchies(raw)
    list(namespaces._mounted(raw))


def _bolt(raw: bytes) -> None:
    fd = hosts.in_memory(raw)
    try:
        for path in (("allPods", "x"), ("v1", "default", "containers", "web-1", "image")):
            bolt.get(fd, *path)
    finally:
        os.close(fd)


def _sqlite(raw: bytes) -> None:
    fd = hosts.in_memory(raw)
    try:
        assert len(podman._in_sqlite(fd, "abc")) <= 512
    finally:
        os.close(fd)


def _json(raw: bytes) -> None:
    mapping(parse_json(raw))


def _daemon(raw: bytes) -> None:
    line, _, configuration = raw.partition(b"\n")
    words = tuple(text.decode(word) for word in line.split(b" "))
    for daemon in daemons.DAEMONS:
        found = dict(daemons.directories(daemon, (*words, "--config=/nonexistent"), Files(NOWHERE)))
        assert all(path.startswith("/") and "/.." not in path for path in found.values())
        daemons.settings(configuration, daemon.section)


def _command_line(raw: bytes) -> None:
    words = tuple(text.decode(word) for word in raw.split(b"\0"))
    clue = monitor.clue(words)
    assert clue is None or "/" not in clue.id
    forwarders.known(text.decode(raw[:15]), words, words[-1])
    for program in PROGRAMS.values():
        program(list(words))
    process.shell_name(words[0], words)


def _btf(raw: bytes) -> None:
    btf.kernel_facts(btf.Btf(raw))


def _value(convert: Callable[[str], object]) -> Callable[[bytes], object]:
    return lambda raw: convert(raw.decode("utf-8", "surrogateescape"))


def _selector(word: str) -> None:
    for selector in (
        ContainerSelector((word,)),
        ContainerSelector((), (word,)),
        ContainerSelector((word,), (word,)),
    ):
        selector.matches(WEB)
        selector.checked([WEB])


def _roots(value: str) -> Roots:
    return Roots.parse(value.split())


def _text(raw: bytes) -> None:
    shown = text.printable(text.decode(raw))
    assert text.printable(shown) == shown
    assert text.columns(text.shorten(shown, 20)) <= 20
    shown.encode()


def _words(*words: str) -> Callable[[], list[bytes]]:
    return lambda: [word.encode() for word in words]


def _file(name: str, runtime: str, file: str, pid: int) -> Target:
    """Look a process up after this file of a captured host has been replaced."""
    return Target(name, hosts.replaced(runtime, file, pid), hosts.contents(runtime, file))


def _option(name: str, kind: click.ParamType, *values: str) -> Target:
    """Convert the value of an option."""
    return Target(
        name, _value(lambda value: kind.convert(value, None, None)), _words(*values), (BadInput,), share=4
    )


def _command_lines() -> list[bytes]:
    words = ("tini -s -- app", "conmon -c x -n y", f"dumb-init -r {'9' * 5000}:2", "timeout -k 3 -s 15 5 app")
    return [each.replace(" ", "\0").encode() for each in words]


TARGETS = (
    Target("records", _records, lambda: [record().tobytes(), record(stage="init").tobytes() * 2]),
    Target("stat", _stat, _words("7 (a b) S 1 7 7 0 -1 0" + " 0" * 40, "7 (x) R"), (ValueError,), share=4),
    Target("foreign text", _foreign_text, _words("sh/docker/x", "a) R 1/lxc.payload.x\r0::/docker/y")),
    Target(
        "membership",
        _membership,
        _words(f"0::/docker/{D1}\n1:name=systemd:/a\n", f"0::/user.slice/user@1.service/libpod-{D1}.scope"),
        share=4,
    ),
    Target("mountinfo", _mountinfo, _words("22 1 0:21 pid:[4026532000] /run/ns rw - nsfs nsfs rw\n"), share=4),
    Target("bbolt", _bolt, hosts.bolts, share=2),
    Target("sqlite", _sqlite, hosts.sqlites),
    Target("json", _json, _words('{"a":[1,"b",{"c":null}]}', "[" * 100, "1e999"), share=4),
    Target(
        "daemon",
        _daemon,
        _words("dockerd --data-root=/a\nroot = \"/c\" # d\n[crio]\nroot='/e'", 'x\n{"data-root": "/a"}'),
    ),
    _file("docker", "docker", f"{D1}/config.v2.json", 2536),
    _file("podman", "podman", "containers.json", 4266),
    _file("crun", "crun", "cr-v2/status", 8976),
    _file("runc", "runc", "state.json", 8101),
    _file("lxc", "lxc", "web-lxc/config", 13254),
    _file("conmon", "podman", "4254/cmdline", 4266),
    _file("nspawn", "nspawn", "3408/cmdline", 3413),
    Target("command line", _command_line, _command_lines, share=2),
    Target("btf", _btf, lambda: [kernel()], (CannotTrace,)),
    Target("signal", _value(signals.parse), _words("TERM", "SIGRTMIN+3", "15"), (BadInput,), share=4),
    _option("duration", Duration(), "250ms", "1.5h", "1h30m", "2 days"),
    _option("moment", Moment(), "2026-11-22T07:53:45.9+02:00", "07:53:45z", "2 hours ago", "yesterday 7:53 utc"),
    _option("size", Size(), "1GiB", "500M", "17"),
    Target("roots", _value(_roots), _words("host=/host docker=/data"), (BadInput,), share=4),
    Target("namespace", _value(pidns.read_name), _words("4026532249", "pid:[4026532249]", "/proc/1/ns/pid"), share=4),
    Target("selector", _value(_selector), _words("web-1", "shop/check*", "85c2"), (BadInput,), share=2),
    Target("pod file", pod_file.parse, lambda: [DEPLOYMENT, COMPOSE], (BadInput,), share=0.3),
    Target("ready", _value(parse_ready), _words("2s", "8080", "listens on .*"), (BadInput,)),
    Target("recording", recordings.with_file, recordings.files, share=0.15),
    Target("recorded values", recordings.with_values, recordings.values, share=0.15),
    Target("text", _text, _words("a\x1b[31m", "日本語…"), share=4),
)  # fmt: skip
"""All of them; each name once."""
