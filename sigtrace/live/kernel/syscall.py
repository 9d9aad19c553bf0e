"""Call bpf(2) without a library: maps, programs and attachments.

Attribute layouts are those of `union bpf_attr` in `include/uapi/linux/bpf.h`. A refusal raises LoadRefused, with the
errno's text and, for privileges, the capability to grant.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import platform
import re
import resource
import struct
from collections.abc import Sequence

from sigtrace.errors import CannotTrace, LoadRefused
from sigtrace.units import size

_NUMBER = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "s390x": 351, "ppc64le": 361}
"""__NR_bpf by machine."""

MAP_HASH, MAP_ARRAY, MAP_PERCPU_HASH, MAP_PERCPU_ARRAY = 1, 2, 5, 6
MAP_LRU_HASH, MAP_LRU_PERCPU_HASH, MAP_RINGBUF = 9, 10, 27
PROG_RAW_TRACEPOINT, PROG_TRACING = 17, 26
_TRACE_RAW_TP = 23
_ATTR_SIZE = 144
_MAP_CREATE, _LOOKUP, _UPDATE, _DELETE, _PROG_LOAD = 0, 1, 2, 3, 5
_OBJ_INFO, _RAW_TRACEPOINT_OPEN, _LOOKUP_BATCH = 15, 17, 24
_LIBC = ctypes.CDLL(None, use_errno=True)


def bpf(command: int, attributes: bytes) -> tuple[int, bytes]:
    """Call bpf(2); returns its result and the attributes as the kernel left them. Raises OSError."""
    number = _NUMBER.get(platform.machine())
    if number is None:
        raise OSError(errno.ENOSYS, f"bpf(2) on {platform.machine()} is not known to sigtrace")
    buffer = ctypes.create_string_buffer(attributes, max(len(attributes), _ATTR_SIZE))
    result = int(_LIBC.syscall(number, command, buffer, len(buffer)))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result, buffer.raw


def map_create(kind: int, key_size: int, value_size: int, entries: int, name: str) -> int:
    """Create a map; returns its descriptor. Raises LoadRefused."""
    try:
        return _map_create(kind, key_size, value_size, entries, name)
    except OSError as err:
        if err.errno == errno.EPERM and _may_create_maps():
            limit = size(resource.getrlimit(resource.RLIMIT_MEMLOCK)[0])
            raise LoadRefused(
                f"the limit of locked memory, {limit}, is too low for the BPF map {name!r}: `ulimit -l unlimited` "
                "(systemd: LimitMEMLOCK=infinity), or grant CAP_SYS_RESOURCE."
            ) from err
        raise _refused(f"the BPF map {name!r} ({entries} entries)", err) from err


def _map_create(kind: int, key_size: int, value_size: int, entries: int, name: str) -> int:
    attributes = struct.pack("<5IIII16s", kind, key_size, value_size, entries, 0, 0, 0, 0, name.encode()[:15])
    return bpf(_MAP_CREATE, attributes)[0]


def _may_create_maps() -> bool:
    """Return whether the smallest map is permitted: kernels before v5.11 refuse larger ones by RLIMIT_MEMLOCK."""
    try:
        os.close(_map_create(MAP_ARRAY, 4, 8, 1, "probe"))
    except OSError:
        return False
    return True


def map_update(fd: int, key: bytes, value: bytes) -> None:
    """Set one element. Raises OSError (E2BIG: the map is full)."""
    k, v = ctypes.create_string_buffer(key, len(key)), ctypes.create_string_buffer(value, len(value))
    bpf(_UPDATE, struct.pack("<IIQQQ", fd, 0, ctypes.addressof(k), ctypes.addressof(v), 0))


def map_delete(fd: int, key: bytes) -> None:
    """Remove one element. Raises OSError (ENOENT: there is none)."""
    k = ctypes.create_string_buffer(key, len(key))
    bpf(_DELETE, struct.pack("<IIQQQ", fd, 0, ctypes.addressof(k), 0, 0))


def map_lookup(fd: int, key: bytes, value_size: int) -> bytes:
    """Read one element; for per-CPU maps `value_size` is the size of all CPUs' values together. Raises OSError."""
    k, v = ctypes.create_string_buffer(key, len(key)), ctypes.create_string_buffer(value_size)
    bpf(_LOOKUP, struct.pack("<IIQQQ", fd, 0, ctypes.addressof(k), ctypes.addressof(v), 0))
    return v.raw


def map_dump(fd: int, key_size: int, value_size: int, entries: int) -> tuple[bytes, bytes, int]:
    """Read all elements of a hash map: the keys' bytes, the values' bytes and their number. Raises OSError.

    BPF_MAP_LOOKUP_BATCH reads a whole bucket under its lock. BPF_MAP_GET_NEXT_KEY would start again from the
    beginning, and repeat elements, whenever the current one was deleted.
    """
    keys, values = (
        ctypes.create_string_buffer(key_size * entries),
        ctypes.create_string_buffer(value_size * entries),
    )
    batch = ctypes.create_string_buffer(8)
    at, total, cursor = ctypes.addressof(batch), 0, 0
    while total < entries:
        attributes = struct.pack(
            "<QQQQIIQQ",
            cursor,
            at,
            ctypes.addressof(keys) + total * key_size,
            ctypes.addressof(values) + total * value_size,
            entries - total,
            fd,
            0,
            0,
        )
        count, done = _lookup_batch(attributes)
        total += count
        if done or not count:
            break
        cursor = at
    return keys.raw[: total * key_size], values.raw[: total * value_size], total


def _lookup_batch(attributes: bytes) -> tuple[int, bool]:
    buffer = ctypes.create_string_buffer(attributes, _ATTR_SIZE)
    number = _NUMBER[platform.machine()]
    failed = int(_LIBC.syscall(number, _LOOKUP_BATCH, buffer, len(buffer))) < 0
    code = ctypes.get_errno() if failed else 0
    if failed and code != errno.ENOENT:  # ENOENT: the last batch; its count is valid
        raise OSError(code, os.strerror(code))
    return struct.unpack_from("<I", buffer.raw, 32)[0], failed


def prog_load(instructions: bytes, name: str, btf_id: int | None) -> int:
    """Load a program, for a BTF tracepoint if `btf_id` is given, else for a raw one; returns its descriptor.

    Raises LoadRefused with the end of the verifier's log. The log is only requested after a failure: writing it makes
    verification slower.
    """
    try:
        return _load(instructions, name, btf_id, b"")
    except OSError as err:
        log = ctypes.create_string_buffer(1 << 20)
        try:
            return _load(instructions, name, btf_id, log)
        except OSError:
            lines = log.value.decode(errors="replace").strip().splitlines()
            raise _refused(f"the BPF program {name!r}", err, reason(lines)) from err


def _load(
    instructions: bytes, name: str, btf_id: int | None, log: bytes | ctypes.Array[ctypes.c_char]
) -> int:
    code = ctypes.create_string_buffer(instructions, len(instructions))
    licence = ctypes.create_string_buffer(b"GPL")
    size = len(log)
    attributes = struct.pack(
        "<IIQQIIQII16sIIIIQIIQII",
        PROG_TRACING if btf_id else PROG_RAW_TRACEPOINT,
        len(instructions) // 8,
        ctypes.addressof(code),
        ctypes.addressof(licence),
        1 if size else 0,
        size,
        ctypes.addressof(log) if isinstance(log, ctypes.Array) else 0,
        0,
        0,
        name.encode()[:15],
        0,
        _TRACE_RAW_TP if btf_id else 0,
        *(0,) * 7,
        btf_id or 0,
    )
    return bpf(_PROG_LOAD, attributes)[0]


def raw_tracepoint_open(prog_fd: int, tracepoint: str | None) -> int:
    """Attach a program; returns the descriptor of the link, which lives as long. Raises LoadRefused.

    tracepoint: None for a BTF program, which was loaded for its tracepoint.
    """
    name = ctypes.create_string_buffer(tracepoint.encode()) if tracepoint else None
    try:
        return bpf(
            _RAW_TRACEPOINT_OPEN, struct.pack("<QII", ctypes.addressof(name) if name else 0, prog_fd, 0)
        )[0]
    except OSError as err:
        raise _refused(f"attaching to the tracepoint {tracepoint or 'by BTF'}", err) from err


def recursion_misses(prog_fd: int) -> int:
    """Return how often the kernel skipped a program because it was already running on that CPU (bpf_prog_info)."""
    info = ctypes.create_string_buffer(232)
    bpf(_OBJ_INFO, struct.pack("<IIQ", prog_fd, len(info), ctypes.addressof(info)))
    return int(struct.unpack_from("<Q", info.raw, 208)[0])


def raise_memlock() -> None:
    """Raise the limit of locked memory, to which kernels before v5.11 charge maps, if that is permitted."""
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def possible_cpus() -> int:
    """Return the number of values in an element of a per-CPU map: the CPUs of /sys/devices/system/cpu/possible."""
    try:
        with open("/sys/devices/system/cpu/possible") as file:
            return count_cpus(file.read())
    except OSError as err:
        raise CannotTrace(f"cannot read {err.filename}: {err.strerror}; mount sysfs on /sys.") from err


def count_cpus(listed: str) -> int:
    """Count the numbers in a list such as `0,2-5`."""
    ranges = [part.partition("-") for part in listed.strip().split(",")]
    return sum(int(last or first) - int(first) + 1 for first, _, last in ranges)


def reason(log: Sequence[str]) -> list[str]:
    """Return the end of a verifier's log: the last instruction, and what follows it, 12 lines at most.

    The reason comes right after the instruction; registers, statistics and hints follow, more of them with each kernel.
    """
    last = max((at for at, line in enumerate(log) if _INSTRUCTION.match(line)), default=max(0, len(log) - 12))
    return list(log[last : last + 12])


_INSTRUCTION = re.compile(r"\d+: \([0-9a-f]{2}\) ")
_LOCKDOWN = "/sys/kernel/security/lockdown"


def _locked_down(log: Sequence[str]) -> bool:
    """Return whether lockdown=confidentiality forbids programs to read kernel memory (kernel_lockdown(7)).

    The verifier does not know the helper then (tracing_prog_func_proto()); securityfs may not be mounted.
    """
    try:
        with open(_LOCKDOWN) as file:
            return "[confidentiality]" in file.read()
    except OSError:
        return any("bpf_probe_read_kernel" in line and "unknown func" in line for line in log)


_ADVICE = {
    errno.EPERM: "run as root, or grant CAP_BPF and CAP_PERFMON (`sigtrace doctor` says which is missing)",
    errno.EMFILE: "raise `ulimit -n`",
    errno.ENFILE: "raise the sysctl fs.file-max",
    errno.ENOMEM: "out of memory, perhaps that of this cgroup: use a smaller ring",
    errno.ENOSYS: "bpf(2) is not available: a seccomp filter blocks it, as in most containers, or the kernel lacks it",
}


def _refused(what: str, err: OSError, log: Sequence[str] = ()) -> LoadRefused:
    if _locked_down(log):
        return LoadRefused(
            "the kernel is locked down (lockdown=confidentiality): BPF programs may not read its memory; boot with "
            "lockdown=integrity, or without lockdown."
        )
    # EACCES is the verifier's usual errno, and then there is a log; without one it comes from a security module.
    number = errno.EPERM if err.errno == errno.EACCES and not log else err.errno
    if number == errno.EPERM:
        return LoadRefused(f"not permitted to trace: {_ADVICE[errno.EPERM]}.")
    why = _ADVICE.get(number or 0)
    words = "" if why else "".join(f"\n  {line}" for line in log)
    return LoadRefused(
        f"the kernel refused {what}: {err.strerror}; {why or '`sigtrace doctor` says what this kernel lacks'}.{words}"
    )
