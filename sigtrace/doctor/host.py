"""The facts the checks look at, each read when first asked for."""

from __future__ import annotations

import errno
import os
import resource
import shutil
from functools import cached_property
from pathlib import Path

from sigtrace.doctor import probes
from sigtrace.live.collector import RING_BYTES
from sigtrace.live.kernel import cache
from sigtrace.live.kernel.btf import TRACEPOINTS, Btf, KernelFacts, digest_vmlinux, kernel_facts
from sigtrace.live.kernel.compile import interpreters
from sigtrace.procfs.process import INITIAL_PID_NS

INITIAL_USER_NS = 0xEFFFFFFD
"""PROC_USER_INIT_INO, include/linux/proc_ns.h."""

CAPABILITIES = {"SYS_PTRACE": 19, "SYS_ADMIN": 21, "SYS_RESOURCE": 24, "PERFMON": 38, "BPF": 39}
"""The ones that matter here, by their number in include/uapi/linux/capability.h."""

SMALLEST_RING = 1 << 16
"""Bytes; a page on every machine, and small enough for any limit."""


class Host:
    """This process on this machine. A fact given to the constructor is taken as it is, not looked up."""

    def __init__(self, **known: object) -> None:
        unknown = [name for name in known if not hasattr(type(self), name)]
        if unknown:
            raise TypeError(f"no such fact: {', '.join(unknown)}")
        self.__dict__.update(known)

    @cached_property
    def uid(self) -> int:
        """Effective user id."""
        return os.geteuid()

    @cached_property
    def status(self) -> dict[str, str]:
        """/proc/self/status."""
        return parse_status(Path("/proc/self/status").read_text(errors="replace"))

    @cached_property
    def effective(self) -> int:
        """The effective capabilities, a bit each."""
        return int(self.status["CapEff"], 16)

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
        """The kernel's lockdown line, `none [integrity] confidentiality`; empty if it has none."""
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
        """Soft limit of locked memory in bytes, -1 for none."""
        return resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]

    @cached_property
    def mountinfo(self) -> str:
        """/proc/self/mountinfo."""
        return Path("/proc/self/mountinfo").read_text(errors="replace")

    @cached_property
    def in_container(self) -> bool:
        """Whether a container runtime seems to have started us: its marker file, or a child PID namespace."""
        marked = any(Path(path).exists() for path in ("/.dockerenv", "/run/.containerenv"))
        return marked or self.pid_namespace != INITIAL_PID_NS

    @cached_property
    def package_manager(self) -> str:
        """apt-get, dnf, pacman, zypper, apk; empty if none of them."""
        return next(
            (name for name in ("apt-get", "dnf", "pacman", "zypper", "apk") if shutil.which(name)), ""
        )

    @cached_property
    def array_map_errno(self) -> int:
        """0, or why the simplest of maps could not be created."""
        return probes.array_map()

    @cached_property
    def small_ring_errno(self) -> int:
        """0, or why not even a small ring could be created."""
        return probes.ring(SMALLEST_RING)

    @cached_property
    def default_ring_errno(self) -> int:
        """0, or why a ring of the default size could not be created."""
        return probes.ring(RING_BYTES)

    @cached_property
    def kernel_facts(self) -> KernelFacts:
        """Offsets and tracepoint ids from the kernel's BTF. Raises CannotTrace if it has none."""
        return kernel_facts(Btf.of_running_kernel())

    @cached_property
    def btf_tracepoint_errnos(self) -> dict[str, int]:
        """Tracepoint -> 0, or why a BTF program cannot be attached; ENOENT if BTF does not list it."""
        ids = self.kernel_facts.tracepoint_ids
        return {
            name: probes.tracepoint(name, ids[function]) if function in ids else errno.ENOENT
            for function, name in TRACEPOINTS.items()
        }

    @cached_property
    def raw_tracepoint_errnos(self) -> dict[str, int]:
        """Tracepoint -> 0, or why a raw program cannot be attached."""
        return {name: probes.tracepoint(name, None) for name in TRACEPOINTS.values()}

    @cached_property
    def cache_complaint(self) -> str:
        """Why the cache of compiled programs is not used; empty if it is."""
        try:
            cache.read("")
        except cache.Untrusted as err:
            return str(err)
        return ""

    @cached_property
    def cached(self) -> bool:
        """Whether compiled programs for this kernel are in the cache: then no start needs bcc."""
        return not self.cache_complaint and cache.read(cache.key(digest_vmlinux(), direct=True)) is not None

    @cached_property
    def bcc_versions(self) -> dict[str, str]:
        """Interpreter -> the bcc it has, as `probes.bcc_version` puts it."""
        return {python: probes.bcc_version(python) for python in interpreters()}

    def has(self, capability: str) -> bool:
        """Whether we hold a capability of CAPABILITIES."""
        return bool(self.effective >> CAPABILITIES[capability] & 1)

    def may_bpf(self) -> bool:
        """Whether bpf(2) will let us load tracing programs: CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN."""
        return self.has("SYS_ADMIN") or (self.has("BPF") and self.has("PERFMON"))


def parse_status(text: str) -> dict[str, str]:
    """The `Name:<tab>value` lines of a /proc/PID/status."""
    return {name: value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}


def _read(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace").strip()
    except OSError:
        return ""
