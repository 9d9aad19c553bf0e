"""Checks of the running kernel's features, made by trying them."""

from __future__ import annotations

import errno
import os

from sigtrace.doctor.check import Check, Checker, missing, ok, warning
from sigtrace.doctor.host import Host
from sigtrace.errors import CannotTrace
from sigtrace.live.collector import RING_BYTES
from sigtrace.live.kernel.btf import TRACEPOINTS, VMLINUX
from sigtrace.units import size

_DISTRIBUTION_KERNEL = "use a distribution's kernel, of Linux 5.8 or later"


def bpf_syscall(host: Host) -> Check:
    """bpf(2) exists and is permitted."""
    name, refusal = "bpf-syscall", host.array_map_errno
    if refusal == 0:
        return ok(name, "a map could be created")
    if refusal == errno.ENOSYS:
        return missing(
            name, "bpf(2) is not available", "use a kernel with CONFIG_BPF_SYSCALL=y, as distributions ship"
        )
    return missing(name, _words(refusal), _why_refused(host))


def ring_buffer(host: Host) -> Check:
    """BPF_MAP_TYPE_RINGBUF carries the records."""
    name, refusal = "ring-buffer", host.small_ring_errno
    if refusal == 0:
        return ok(name, "a BPF ring buffer could be created")
    if refusal == errno.EINVAL:
        return missing(name, "this kernel has no BPF ring buffer", _DISTRIBUTION_KERNEL)
    return missing(name, _words(refusal), _why_refused(host))


def memlock(host: Host) -> Check:
    """All maps, with a ring of full size, fit into RLIMIT_MEMLOCK or the memory cgroup, whichever is charged."""
    limit = "no limit" if host.memlock < 0 else f"limit {size(host.memlock)}"
    if host.maps_errno == 0:
        return ok("memlock", f"all maps, with a ring of {size(RING_BYTES)}, could be created ({limit})")
    if host.maps_errno == errno.EPERM and host.has("SYS_RESOURCE"):
        return ok(
            "memlock", f"maps are charged to it ({limit}); sigtrace raises it, as CAP_SYS_RESOURCE allows"
        )
    if host.small_ring_errno:
        return warning("memlock", f"cannot be checked ({limit})", "fix ring-buffer first")
    detail = f"no room for all maps, with a ring of {size(RING_BYTES)} ({limit})"
    remedy = (
        "ulimit -l unlimited (systemd: LimitMEMLOCK=infinity), CAP_SYS_RESOURCE, or a larger memory cgroup"
    )
    return missing("memlock", detail, remedy)


def btf(host: Host) -> Check:
    """BTF, the kernel's description of its types, is readable: every offset comes from it."""
    try:
        facts = host.kernel_facts
    except CannotTrace as err:
        what, use, remedy = str(err).rstrip(".").partition(": use ")
        other = (
            f"use a kernel with CONFIG_DEBUG_INFO_BTF=y, as distributions ship; {VMLINUX} must be readable"
        )
        return missing("btf", what, f"use {remedy}" if use else other)
    return ok("btf", f"{len(facts.macros)} offsets and sizes found in {VMLINUX}")


def tracepoints(host: Host) -> Check:
    """A BTF program can be attached to each tracepoint, or else a raw one."""
    refused = {name: code for name, code in host.btf_tracepoint_errnos.items() if code}
    typed = host.kernel_facts.current_task_typed
    if typed and not refused:
        return ok("tracepoints", f"a BTF program attaches to all {len(TRACEPOINTS)} of them")
    refused = {name: code for name, code in host.raw_tracepoint_errnos.items() if code}
    if not refused:
        return ok(
            "tracepoints",
            f"{'BTF programs do not attach' if typed else 'this kernel has no bpf_get_current_task_btf()'}: raw "
            "tracepoints, at a higher cost to senders",
        )
    name, code = next(iter(refused.items()))
    if code in (errno.ENOENT, errno.EINVAL):
        return missing("tracepoints", f"this kernel has no tracepoint {name}", _DISTRIBUTION_KERNEL)
    return missing("tracepoints", f"{name}: {_words(code)}", _why_refused(host))


def tracefs(host: Host) -> Check:
    """Tell whether tracefs is mounted. Other tools need it; sigtrace attaches with bpf(2) only."""
    mounted = any(_fstype(line) == "tracefs" for line in host.mountinfo.split("\n"))
    return ok("tracefs", f"{'mounted' if mounted else 'not mounted'}; not needed")


def cgroups(host: Host) -> Check:
    """A cgroup hierarchy is mounted: containers are recognised by their cgroups."""
    layout = cgroup_layout(host.mountinfo)
    if layout == "none":
        return warning(
            "cgroups",
            "no cgroup hierarchy is mounted: containers cannot be named",
            "mount cgroup2",
        )
    return ok("cgroups", layout)


def cgroup_layout(mountinfo: str) -> str:
    """Return `v2`, `hybrid`, `v1` or `none`, given the text of /proc/PID/mountinfo."""
    kinds = {_fstype(line) for line in mountinfo.split("\n")}
    if "cgroup" in kinds:
        return "hybrid" if "cgroup2" in kinds else "v1"
    return "v2" if "cgroup2" in kinds else "none"


KERNEL: tuple[Checker, ...] = (bpf_syscall, ring_buffer, memlock, btf, tracepoints, tracefs, cgroups)


def _fstype(line: str) -> str:
    """Return a mountinfo line's file system type: the first word after the separator (proc_pid_mountinfo(5))."""
    return line.partition(" - ")[2].split(" ")[0]


def _words(code: int) -> str:
    return f"{os.strerror(code)} ({errno.errorcode.get(code, code)})"


def _why_refused(host: Host) -> str:
    """Return the remedy for a refused call that the kernel supports."""
    if not host.may_bpf():
        return "grant the capabilities that are missing above"
    if host.seccomp:
        return "the capabilities are there, so it is the seccomp filter: --security-opt seccomp=unconfined"
    if host.memlock >= 0 and not host.has("SYS_RESOURCE"):
        return (
            "the capabilities are there: on kernels before 5.11 it is the limit of locked memory (ulimit -l); else "
            "look for SELinux, AppArmor or a user namespace"
        )
    return "the capabilities are there: look for lockdown, SELinux, AppArmor or a user namespace"
