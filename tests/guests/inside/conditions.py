"""What a host can take away or do differently: each has one right sentence, from `doctor` and from `watch`.

The table is read by the host, which boots a guest for each kernel, parameters and CPU; the rest runs in the guest.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.guests.inside.step import check, rows, run, step, tell


@dataclass(frozen=True)
class Condition:
    """What is taken away, and what has to be said of it."""

    words: str
    """For people."""
    kernels: tuple[str, ...]
    check: str
    """The check of `doctor` that is about it."""
    status: str
    detail: str
    """The beginning of what that check says."""
    watch: str = ""
    """The beginning of the only line that `watch` says; empty where it traces."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Kernel parameters."""
    cpu: str = ""
    under: str = 'exec "$@"'
    """A shell script that runs a command where it is taken away."""


_LOCKED = "the kernel is locked down (lockdown=confidentiality)"

CONDITIONS = {
    "no-btf": Condition(
        "no BTF",
        ("6.12",),
        "btf",
        "missing",
        "this kernel has no BTF",
        "this kernel has no BTF",
        under='mount -t tmpfs none /sys/kernel/btf; "$@"; code=$?; umount /sys/kernel/btf; exit $code',
    ),
    "memlock": Condition(
        "64 KiB of locked memory, no CAP_SYS_RESOURCE",
        ("5.10",),
        "memlock",
        "missing",
        "no room for all maps",
        "the limit of locked memory, 64 KiB, is too low",
        under='ulimit -l 64; exec setpriv --bounding-set=-sys_resource --inh-caps=-sys_resource "$@"',
    ),
    "memlock-uncharged": Condition(
        "64 KiB of locked memory, no CAP_SYS_RESOURCE",
        ("6.12",),
        "memlock",
        "ok",
        "all maps, with a ring of 16 MiB",
        under='ulimit -l 64; exec setpriv --bounding-set=-sys_resource --inh-caps=-sys_resource "$@"',
    ),
    "confidentiality": Condition(
        "lockdown=confidentiality",
        ("5.10", "6.12", "newest"),
        "lockdown",
        "missing",
        "confidentiality",
        _LOCKED,
        {"lockdown": "confidentiality"},
    ),
    "integrity": Condition(
        "lockdown=integrity", ("6.12",), "lockdown", "ok", "integrity", parameters={"lockdown": "integrity"}
    ),
    "cgroup-v1": Condition("cgroup v1", ("6.12",), "cgroups", "ok", "v1", parameters={"guest.cgroup": "v1"}),
    "cgroup-hybrid": Condition(
        "cgroup v1 and v2 (hybrid)",
        ("6.12",),
        "cgroups",
        "ok",
        "hybrid",
        parameters={"guest.cgroup": "hybrid"},
    ),
    "cgroup-v2": Condition("cgroup v2", ("5.10", "6.12"), "cgroups", "ok", "v2"),
    "cpu": Condition(
        "a CPU without SSE4.2",
        ("6.12",),
        "cpu",
        "missing",
        "this CPU has no ",
        "this CPU has no ",
        cpu="qemu64",
    ),
}


def main(names: str) -> None:
    """Run the commands under each of the conditions, which are a comma list."""
    tell(release=os.uname().release)
    for name in names.split(","):
        condition = CONDITIONS[name]
        step("doctor", lambda: doctor(condition), condition=name)  # noqa: B023 (called at once)
        step("watch", lambda: watch(condition), condition=name)  # noqa: B023
        step("scan", lambda: scan(condition), condition=name)  # noqa: B023


def doctor(condition: Condition) -> str:
    """The check says it, nothing else is missing without a reason, and the verdict goes with `watch`."""
    done = run("sh", "-c", condition.under, "sh", "sigtrace", "doctor", "--format", "json")
    check("Traceback" not in done.stderr, done.stderr)
    checks = {row["name"]: row for row in rows(done.stdout)}
    check(condition.check in checks, done.stdout + done.stderr)
    row = checks[condition.check]
    check(row["status"] == condition.status and row["detail"].startswith(condition.detail), row)
    check(done.returncode == bool(condition.watch), f"exit code {done.returncode}")
    missing = [name for name, other in checks.items() if other["status"] == "missing"]
    check(bool(missing) == bool(condition.watch), missing)
    check("please report this" not in done.stdout, done.stdout)
    return f"{row['status']}: {row['detail']}" + (f"; {row['remedy']}" if row["remedy"] else "")


def watch(condition: Condition) -> str:
    """It traces, or says the one sentence."""
    done = run("sh", "-c", condition.under, "sh", "sigtrace", "watch", "--duration", "1s")
    lines = done.stderr.splitlines()
    if not condition.watch:
        check(done.returncode == 0 and "sigtrace: 0 records lost" in lines, done.stderr)
        return ""
    check(done.returncode == 1 and len(lines) == 1, (done.returncode, done.stderr))
    said = lines[0].removeprefix("sigtrace: ")
    check(said.startswith(condition.watch), said)
    return said


def scan(condition: Condition) -> str:
    """It needs neither BPF nor numpy, and works everywhere."""
    done = run("sh", "-c", condition.under, "sh", "sigtrace", "scan")
    check(done.returncode == 0 and done.stderr == "", done.stdout + done.stderr)
    return done.stdout.splitlines()[-1]


if __name__ == "__main__":
    main(sys.argv[1])
    tell(done=True)
