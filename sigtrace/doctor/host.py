"""The facts that the checks use, each read on first use."""

from __future__ import annotations

import errno
import os
import resource
import shutil
from functools import cached_property
from pathlib import Path

from sigtrace import cpu
from sigtrace.doctor import probes
from sigtrace.live import privileges
from sigtrace.live.collector import RING_BYTES
from sigtrace.live.kernel import built, syscall
from sigtrace.live.kernel.btf import TRACEPOINTS, Btf, KernelFacts, kernel_facts
from sigtrace.live.kernel.compile import interpreters
from sigtrace.procfs.process import INITIAL_PID_NS

INITIAL_USER_NS = 0xEFFFFFFD
"""PROC_USER_INIT_INO, include/linux/proc_ns.h."""

SMALLEST_RING = os.sysconf("SC_PAGE_SIZE")
"""Bytes: a ring is a multiple of the page size. It fits into the limits of locked memory that distributions set."""


class Host:
    """This process on this machine. A fact given to the constructor is used as it is, and not read."""

    def __init__(self, **known: object) -> None:
        unknown = [name for name in known if not hasattr(type(self), name)]
        if unknown:
            raise TypeError(f"no such fact: {', '.join(unknown)}")
        self.__dict__.update(known)

    @cached_property
    def uid(self) -> int:
        """Effective user ID."""
        return os.geteuid()

    @cached_property
    def status(self) -> dict[str, str]:
        """/proc/self/status."""
        return parse_status(Path("/proc/self/status").read_text(errors="replace"))

    @cached_property
    def effective(self) -> int:
        """The effective capabilities, one bit each."""
        return int(self.status["CapEff"], 16)

    @cached_property
    def kept(self) -> tuple[str, ...]:
        """The capabilities that a command keeps once it traces. Raises OSError where no BPF map can be made."""
        return privileges.kept()

    @cached_property
    def last_capability(self) -> int:
        """The highest capability this kernel knows."""
        return int(Path("/proc/sys/kernel/cap_last_cap").read_text())

    @cached_property
    def seccomp(self) -> int:
        """Seccomp mode of this process: 0 none, 1 strict, 2 filter."""
        return int(self.status.get("Seccomp", "0"))

    @cached_property
    def pid_namespace(self) -> int:
        """Inode of our PID namespace."""
        return os.stat("/proc/self/ns/pid").st_ino

    @cached_property
    def user_namespace(self) -> int:
        """Inode of our user namespace."""
        return os.stat("/proc/self/ns/user").st_ino

    @cached_property
    def lockdown(self) -> str:
        """The kernel's lockdown line, `none [integrity] confidentiality`; empty if it has no lockdown."""
        return _read("/sys/kernel/security/lockdown")

    @cached_property
    def unprivileged_bpf_disabled(self) -> str:
        """The sysctl's value, empty if there is none."""
        return _read("/proc/sys/kernel/unprivileged_bpf_disabled")

    @cached_property
    def perf_event_paranoid(self) -> str:
        """The sysctl's value, empty if there is none."""
        return _read("/proc/sys/kernel/perf_event_paranoid")

    @cached_property
    def memlock(self) -> int:
        """Soft limit of locked memory in bytes, -1 for none, as this process was started."""
        return resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]

    @cached_property
    def mountinfo(self) -> str:
        """/proc/self/mountinfo."""
        return Path("/proc/self/mountinfo").read_text(errors="replace")

    @cached_property
    def in_container(self) -> bool:
        """Whether we seem to run in a container: a runtime's marker file exists, or the PID namespace is a child."""
        marked = any(Path(path).exists() for path in ("/.dockerenv", "/run/.containerenv"))
        return marked or self.pid_namespace != INITIAL_PID_NS

    @cached_property
    def package_manager(self) -> str:
        """apt-get, dnf, pacman, zypper or apk; empty if none is installed."""
        return next(
            (name for name in ("apt-get", "dnf", "pacman", "zypper", "apk") if shutil.which(name)), ""
        )

    @cached_property
    def array_map_errno(self) -> int:
        """0, or the errno of creating the simplest map."""
        return probes.array_map()

    @cached_property
    def small_ring_errno(self) -> int:
        """0, or the errno of creating a small ring."""
        _ = self.memlock  # read it before the limit is raised
        syscall.raise_memlock()
        return probes.ring(SMALLEST_RING)

    @cached_property
    def maps_errno(self) -> int:
        """0, or the errno of creating all maps, with a ring of the default size."""
        _ = self.memlock
        syscall.raise_memlock()
        return probes.maps(RING_BYTES)

    @cached_property
    def kernel_facts(self) -> KernelFacts:
        """Offsets and tracepoint IDs from the kernel's BTF. Raises CannotTrace if it has none."""
        return kernel_facts(Btf.of_running_kernel())

    @cached_property
    def btf_tracepoint_errnos(self) -> dict[str, int]:
        """Tracepoint -> 0, or the errno of attaching a BTF program; ENOENT if BTF does not list it."""
        ids = self.kernel_facts.tracepoint_ids
        return {
            name: probes.tracepoint(name, ids[function]) if function in ids else errno.ENOENT
            for function, name in TRACEPOINTS.items()
        }

    @cached_property
    def raw_tracepoint_errnos(self) -> dict[str, int]:
        """Tracepoint -> 0, or the errno of attaching a raw program."""
        return {name: probes.tracepoint(name, None) for name in TRACEPOINTS.values()}

    @cached_property
    def cpu_problem(self) -> str:
        """Why numpy and pyarrow cannot run on this processor; empty if they can."""
        return cpu.problem()

    @cached_property
    def unfit(self) -> str:
        """Why the programs that come with sigtrace do not fit this kernel; empty if they do."""
        facts = self.kernel_facts
        try:
            built.programs(facts, direct=facts.current_task_typed)
        except built.Unfit as err:
            return str(err)
        return ""

    @cached_property
    def bcc_versions(self) -> dict[str, str]:
        """Interpreter -> the version of its bcc, as `probes.bcc_version` returns it."""
        return {python: probes.bcc_version(python) for python in interpreters()}

    def has(self, capability: str) -> bool:
        """Return whether this process has a capability of `privileges.NUMBERS`."""
        return bool(self.effective >> privileges.NUMBERS[capability] & 1)

    def may_bpf(self) -> bool:
        """Return whether bpf(2) permits tracing programs: with CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN."""
        return self.has("SYS_ADMIN") or (self.has("BPF") and self.has("PERFMON"))


def parse_status(text: str) -> dict[str, str]:
    """Parse the `Name:<tab>value` lines of a /proc/PID/status."""
    return {name: value.strip() for name, _, value in (line.partition(":") for line in text.split("\n"))}


def _read(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace").strip()
    except OSError:
        return ""
