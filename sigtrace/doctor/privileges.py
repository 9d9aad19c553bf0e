"""Checks of what the starter of sigtrace has to grant: capabilities, namespaces, no seccomp filter or lockdown."""

from __future__ import annotations

from sigtrace.doctor.check import Check, Checker, missing, ok, warning
from sigtrace.doctor.host import INITIAL_USER_NS, Host
from sigtrace.errors import CannotTrace
from sigtrace.live.privileges import NUMBERS
from sigtrace.procfs.process import INITIAL_PID_NS


def cap_bpf(host: Host) -> Check:
    """CAP_BPF permits creating maps and loading programs; CAP_SYS_ADMIN includes it."""
    return _capability(host, "BPF", "maps and programs")


def cap_perfmon(host: Host) -> Check:
    """CAP_PERFMON permits programs on tracepoints that read kernel memory; CAP_SYS_ADMIN includes it."""
    return _capability(host, "PERFMON", "tracepoints, reading kernel memory")


def cap_sys_admin(host: Host) -> Check:
    """CAP_SYS_ADMIN is required by kernels without CAP_BPF only."""
    name = "cap-sys-admin"
    if host.has("SYS_ADMIN"):
        return ok(name, "held; more than tracing needs")
    if host.last_capability >= NUMBERS["BPF"]:
        return ok(name, "not held, not needed: this kernel has CAP_BPF and CAP_PERFMON")
    return missing(name, "not held, and this kernel has no CAP_BPF", _grant(host, "SYS_ADMIN"))


def cap_sys_ptrace(host: Host) -> Check:
    """CAP_SYS_PTRACE permits reading /proc/PID/ns and similar files of other users' processes."""
    name = "cap-sys-ptrace"
    if host.has("SYS_PTRACE"):
        return ok(name, "held: /proc/PID/ns of every process can be read")
    detail = "not held: scan, explain and --ns PID see only your own processes' namespaces"
    return warning(name, detail, _grant(host, "SYS_PTRACE"))


def cap_dac_read_search(host: Host) -> Check:
    """CAP_DAC_READ_SEARCH permits reading files of mode 0400: /proc/PID/syscall, and those of rootless runtimes."""
    name = "cap-dac-read-search"
    if host.has("DAC_READ_SEARCH"):
        return ok(name, "held: /proc/PID/syscall of every process can be read")
    if host.has("DAC_OVERRIDE"):
        return ok(name, "not held, not needed: CAP_DAC_OVERRIDE includes it")
    detail = (
        "not held: whether a process waits for a signal can't be told, nor the names of others' containers"
    )
    return warning(name, detail, _grant(host, "DAC_READ_SEARCH"))


def least_privilege(host: Host) -> Check:
    """Say which capabilities watch, record and top keep once they trace; the others are given up."""
    name = "least-privilege"
    if not host.may_bpf():
        return ok(name, "fix what is missing above first")
    try:
        names = [f"CAP_{each}" for each in host.kept]
    except (CannotTrace, OSError):
        return ok(name, "cannot be told before a BPF map can be made")
    return ok(
        name, f"watch, record and top keep {' and '.join(names) or 'none'} once they trace; no_new_privs"
    )


def cap_sys_resource(host: Host) -> Check:
    """CAP_SYS_RESOURCE permits raising the memlock limit, to which older kernels charge BPF maps."""
    name = "cap-sys-resource"
    if host.has("SYS_RESOURCE"):
        return ok(name, "held; only kernels that charge maps to the memlock limit need it")
    return ok(name, "not held; needed only if memlock below says so")


def pid_namespace(host: Host) -> Check:
    """Records contain PIDs of the initial PID namespace, so /proc should show the same ones."""
    name = "pid-namespace"
    if host.pid_namespace == INITIAL_PID_NS:
        return ok(name, "the host's own: every process can be seen")
    detail = f"pid:[{host.pid_namespace}] is a child namespace; records contain the host's PIDs"
    return warning(
        name,
        detail,
        "run on the host, or in the host's PID namespace: --pid=host (Kubernetes: hostPID: true)",
    )


def user_namespace(host: Host) -> Check:
    """Capabilities held in a child user namespace do not count for bpf(2)."""
    name = "user-namespace"
    if host.user_namespace == INITIAL_USER_NS:
        return ok(name, "the host's own: capabilities count")
    detail = f"user:[{host.user_namespace}] is a child namespace: its capabilities do not count for bpf(2)"
    remedy = "start it from the host's user namespace: as the host's root, not from a rootless container"
    return missing(name, detail, remedy)


def seccomp(host: Host) -> Check:
    """A seccomp filter may refuse bpf(2) although the capabilities are held."""
    name = "seccomp"
    if host.seccomp == 0:
        return ok(name, "no filter on this process")
    detail = "a filter is active; if bpf-syscall below is missing, this is why"
    remedy = "only then: a profile that allows bpf (--security-opt seccomp=unconfined)"
    return warning(name, detail, remedy)


def lockdown(host: Host) -> Check:
    """Lockdown in confidentiality mode forbids BPF programs to read kernel memory (kernel_lockdown(7))."""
    if "[confidentiality]" in host.lockdown:
        remedy = "boot without lockdown=confidentiality; integrity is fine"
        return missing("lockdown", "confidentiality: programs may not read kernel memory", remedy)
    active = next(
        (word.strip("[]") for word in host.lockdown.split() if word.startswith("[")), "not in this kernel"
    )
    return ok("lockdown", active)


def sysctls(host: Host) -> Check:
    """Show two sysctls that are often suspected, and that have no effect if the capabilities are held."""
    bpf, perf = host.unprivileged_bpf_disabled or "absent", host.perf_event_paranoid or "absent"
    detail = (
        f"unprivileged_bpf_disabled {bpf}, perf_event_paranoid {perf}: no effect if the capabilities are held"
    )
    return ok("sysctls", detail)


PRIVILEGES: tuple[Checker, ...] = (
    cap_bpf,
    cap_perfmon,
    cap_sys_admin,
    cap_sys_ptrace,
    cap_dac_read_search,
    cap_sys_resource,
    least_privilege,
    pid_namespace,
    user_namespace,
    seccomp,
    lockdown,
    sysctls,
)


def _capability(host: Host, capability: str, purpose: str) -> Check:
    name = f"cap-{capability.lower()}"
    if host.has(capability):
        return ok(name, f"held: {purpose}")
    if host.has("SYS_ADMIN"):
        return ok(name, f"covered by CAP_SYS_ADMIN: {purpose}")
    if host.last_capability < NUMBERS[capability]:
        return ok(name, "this kernel does not have it; CAP_SYS_ADMIN is used instead")
    return missing(name, f"not held: {purpose}", _grant(host, capability))


def _grant(host: Host, capability: str) -> str:
    """Return how to get a capability, depending on what removed it."""
    adding = f"--cap-add {capability} (Kubernetes: capabilities: add: [{capability}])"
    if host.uid != 0:
        as_root = "run it as root: sudo sigtrace doctor"
        return f"{as_root}; in a container --user 0 and {adding}" if host.in_container else as_root
    if host.in_container:
        return adding
    return f"root without CAP_{capability}: whoever started this dropped it (systemd: CapabilityBoundingSet=)"
