"""What whoever starts sigtrace has to grant: capabilities, namespaces, and nothing in the way."""

from __future__ import annotations

from sigtrace.doctor.check import Check, Checker, missing, ok, warning
from sigtrace.doctor.host import CAPABILITIES, INITIAL_USER_NS, Host
from sigtrace.procfs.process import INITIAL_PID_NS


def cap_bpf(host: Host) -> Check:
    """CAP_BPF creates maps and loads programs; CAP_SYS_ADMIN contains it."""
    return _capability(host, "BPF", "maps and programs")


def cap_perfmon(host: Host) -> Check:
    """CAP_PERFMON lets programs read kernel memory and sit on tracepoints; CAP_SYS_ADMIN contains it."""
    return _capability(host, "PERFMON", "tracepoints, reading kernel memory")


def cap_sys_admin(host: Host) -> Check:
    """CAP_SYS_ADMIN is what a kernel before CAP_BPF asks for; a newer one does without."""
    name = "cap-sys-admin"
    if host.has("SYS_ADMIN"):
        return ok(name, "held; more than tracing needs")
    if host.last_capability >= CAPABILITIES["BPF"]:
        return ok(name, "not held, not needed: this kernel has CAP_BPF and CAP_PERFMON")
    return missing(name, "not held, and this kernel has no CAP_BPF", _grant(host, "SYS_ADMIN"))


def cap_sys_ptrace(host: Host) -> Check:
    """CAP_SYS_PTRACE opens /proc/PID/ns and the like of other users' processes."""
    name = "cap-sys-ptrace"
    if host.has("SYS_PTRACE"):
        return ok(name, "held: /proc/PID/ns of every process can be read")
    detail = "not held: scan, explain and --ns PID see only your own processes' namespaces"
    return warning(name, detail, _grant(host, "SYS_PTRACE"))


def cap_sys_resource(host: Host) -> Check:
    """CAP_SYS_RESOURCE raises the memlock limit, where the kernel still charges BPF maps to it."""
    name = "cap-sys-resource"
    if host.has("SYS_RESOURCE"):
        return ok(name, "held; only kernels that charge maps to the memlock limit need it")
    return ok(name, "not held; needed only if memlock below says so")


def pid_namespace(host: Host) -> Check:
    """Records number processes as the initial PID namespace does; /proc must speak of the same numbers."""
    name = "pid-namespace"
    if host.pid_namespace == INITIAL_PID_NS:
        return ok(name, "the host's own: every process can be seen")
    detail = f"pid:[{host.pid_namespace}] is a child namespace; records number processes as the host does"
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
    """A filter may refuse bpf(2) although the capabilities are held."""
    name = "seccomp"
    if host.seccomp == 0:
        return ok(name, "no filter on this process")
    detail = "a filter is active; if bpf-syscall below is missing, this is why"
    remedy = "only then: a profile that allows bpf (--security-opt seccomp=unconfined)"
    return warning(name, detail, remedy)


def lockdown(host: Host) -> Check:
    """Lockdown in confidentiality mode forbids programs to read kernel memory (kernel_lockdown(7))."""
    if "[confidentiality]" in host.lockdown:
        remedy = "boot without lockdown=confidentiality; integrity is fine"
        return missing("lockdown", "confidentiality: programs may not read kernel memory", remedy)
    active = next(
        (word.strip("[]") for word in host.lockdown.split() if word.startswith("[")), "not in this kernel"
    )
    return ok("lockdown", active)


def sysctls(host: Host) -> Check:
    """Two sysctls that people suspect, and that do not matter to whoever holds the capabilities."""
    bpf, perf = host.unprivileged_bpf_disabled or "absent", host.perf_event_paranoid or "absent"
    detail = f"unprivileged_bpf_disabled {bpf}, perf_event_paranoid {perf}: no matter to whoever has the capabilities"
    return ok("sysctls", detail)


PRIVILEGES: tuple[Checker, ...] = (
    cap_bpf,
    cap_perfmon,
    cap_sys_admin,
    cap_sys_ptrace,
    cap_sys_resource,
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
    if host.last_capability < CAPABILITIES[capability]:
        return ok(name, "this kernel does not know it; CAP_SYS_ADMIN stands for it")
    return missing(name, f"not held: {purpose}", _grant(host, capability))


def _grant(host: Host, capability: str) -> str:
    """How to get a capability, in the words of whatever took it away."""
    adding = f"--cap-add {capability} (Kubernetes: capabilities: add: [{capability}])"
    if host.uid != 0:
        as_root = "run it as root: sudo sigtrace doctor"
        return f"{as_root}; in a container --user 0 and {adding}" if host.in_container else as_root
    if host.in_container:
        return adding
    return f"root without CAP_{capability}: whoever started this dropped it (systemd: CapabilityBoundingSet=)"
