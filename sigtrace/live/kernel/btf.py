"""Read offsets, sizes and type IDs of the running kernel's structs from its BTF.

BTF is the kernel's description of its types (`Documentation/bpf/btf.rst`). Members are found by name, also in
anonymous structs and unions, newest name first. Kernel versions are not tested: distributions backport.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from sigtrace.errors import CannotTrace

VMLINUX = "/sys/kernel/btf/vmlinux"

_INT, _ARRAY, _STRUCT, _UNION, _ENUM, _TYPEDEF, _VOLATILE, _CONST, _RESTRICT = 1, 3, 4, 5, 6, 8, 9, 10, 11
_FUNC_PROTO, _VAR, _DATASEC, _DECL_TAG, _TYPE_TAG, _ENUM64, _POINTER = 13, 14, 15, 17, 18, 19, 2
_EXTRA_WORDS = {_INT: 1, _ARRAY: 3, _VAR: 1, _DECL_TAG: 1}
_WORDS_A_MEMBER = {_STRUCT: 3, _UNION: 3, _ENUM: 2, _FUNC_PROTO: 2, _DATASEC: 3, _ENUM64: 3}
_TRANSPARENT = (_TYPEDEF, _VOLATILE, _CONST, _RESTRICT, _TYPE_TAG)
_MAGIC = 0xEB9F
_MOST_BYTES = 64 << 20
"""Bytes of a blob; those of distributions' kernels have 4 to 10 MiB."""
_MOST_STEPS = 20_000
"""Members and types looked at by all lookups: a kernel's take 2,000. Types that lead in a circle have no end."""
_DAMAGES = (LookupError, ValueError, TypeError, RecursionError, struct.error)
"""What reading a damaged blob raises."""

OFFSETS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("O_TASK_PID", "task_struct", ("pid",)),
    ("O_TASK_TGID", "task_struct", ("tgid",)),
    ("O_TASK_FLAGS", "task_struct", ("flags",)),
    ("O_TASK_PTRACE", "task_struct", ("ptrace",)),
    ("O_TASK_COMM", "task_struct", ("comm",)),
    ("O_TASK_BLOCKED", "task_struct", ("blocked",)),
    ("O_TASK_REAL_BLOCKED", "task_struct", ("real_blocked",)),
    ("O_TASK_EXIT_CODE", "task_struct", ("exit_code",)),
    ("O_TASK_STACK", "task_struct", ("stack",)),
    ("O_TASK_PARENT", "task_struct", ("parent",)),
    ("O_TASK_REAL_PARENT", "task_struct", ("real_parent",)),
    ("O_TASK_GROUP_LEADER", "task_struct", ("group_leader",)),
    ("O_TASK_THREAD_PID", "task_struct", ("thread_pid",)),
    ("O_TASK_START_BOOTTIME", "task_struct", ("start_boottime",)),
    ("O_TASK_CRED", "task_struct", ("cred",)),
    ("O_CRED_UID", "cred", ("uid",)),
    ("O_TASK_SIGNAL", "task_struct", ("signal",)),
    ("O_TASK_SIGHAND", "task_struct", ("sighand",)),
    ("O_SIGNAL_FLAGS", "signal_struct", ("flags",)),
    ("O_SIGNAL_LIVE", "signal_struct", ("live",)),
    ("O_SIGNAL_GROUP_EXIT_CODE", "signal_struct", ("group_exit_code",)),
    ("O_SIGHAND_ACTION", "sighand_struct", ("action",)),
    ("O_SIGACTION_HANDLER", "k_sigaction", ("sa.sa_handler",)),
    ("O_SIGINFO_CODE", "kernel_siginfo", ("si_code",)),
    ("O_PID_LEVEL", "pid", ("level",)),
    ("O_PID_NUMBERS", "pid", ("numbers",)),
    ("O_UPID_NR", "upid", ("nr",)),
    ("O_UPID_NS", "upid", ("ns",)),
    ("O_NS_INUM", "pid_namespace", ("ns.inum",)),
    ("O_NS_CHILD_REAPER", "pid_namespace", ("child_reaper",)),
)
"""The macros of `bpf/sigtrace.bpf.c`: name, struct, member paths in the order in which they are tried."""

SIZES = (("S_UPID", "upid"), ("S_SIGACTION", "k_sigaction"))

TRACEPOINTS = {
    "on_generate": "signal_generate",
    "on_deliver": "signal_deliver",
    "on_exit": "sched_process_exit",
    "on_fork": "sched_process_fork",
    "on_exec": "sched_process_exec",
}
"""The C function of each program -> its tracepoint."""


@dataclass(frozen=True)
class KernelFacts:
    """The facts about the running kernel that compiling and attaching need."""

    macros: dict[str, int]
    """-D macros for the compiler: offsets, sizes, and features as 1."""
    tracepoint_ids: dict[str, int]
    """C function -> BTF ID of its tracepoint's typedef `btf_trace_NAME`; empty if BTF has none."""
    current_task_typed: bool
    """Whether a program can get the current task as a typed pointer, which plain loads need."""


class Btf:
    """A BTF blob, read only as far as the lookups need. Raises CannotTrace if it is not BTF.

    Of a damaged blob, lookups raise one of _DAMAGES or return anything; they take bounded time.
    """

    def __init__(self, blob: bytes) -> None:
        if len(blob) < 24 or struct.unpack_from("<H", blob)[0] != _MAGIC:
            raise CannotTrace("the kernel's type information (BTF) is not in a format sigtrace knows.")
        header, types, types_size, strings, strings_size = struct.unpack_from("<5I", blob, 4)
        start = header + types
        found = memoryview(blob)[start : start + types_size]
        self._words = found[: len(found) & ~3].cast("I")
        self._steps = _MOST_STEPS
        self._strings = blob[header + strings : header + strings + strings_size]
        self._at = [0]
        """ID -> position of the type in words, of the types read so far. ID 0 is `void`."""
        self._ids: dict[tuple[int, int], int] = {}
        """(position of the name in the strings, kind) -> ID of the first such type read so far."""
        self._rest = self._read_types()

    @classmethod
    def of_running_kernel(cls) -> Btf:
        """Read the BTF of /sys/kernel/btf/vmlinux. Raises CannotTrace if there is none."""
        return cls(read_vmlinux())

    def _read_types(self) -> Iterator[tuple[int, int]]:
        """Read the types in their order; yield the name and kind of each. A kernel has over 100,000 of them."""
        words, at, ids, position = self._words, self._at, self._ids, 0
        extra = [_EXTRA_WORDS.get(kind, 0) for kind in range(32)]
        each = [_WORDS_A_MEMBER.get(kind, 0) for kind in range(32)]
        end = len(words)
        while position < end:
            info = words[position + 1]
            kind = info >> 24 & 31
            key = (words[position], kind)
            ids.setdefault(key, len(at))
            at.append(position)
            position += 3 + extra[kind] + each[kind] * (info & 0xFFFF)
            yield key

    def find(self, name: str, kind: int) -> int | None:
        """Return the ID of the first type of this name and kind, or None."""
        offset = self._strings.find(b"\0" + name.encode() + b"\0") + 1  # a name is there once
        if not offset:
            return None
        wanted = (offset, kind)
        if wanted not in self._ids:
            next((key for key in self._rest if key == wanted), None)
        return self._ids.get(wanted)

    def offset(self, struct_name: str, path: str) -> int | None:
        """Return the byte offset of `path` (dotted members) in a struct, or None if there is no such member."""
        current = self.find(struct_name, _STRUCT)
        bits = 0
        for name in path.split("."):
            found = self._member(current, name) if current else None
            if found is None:
                return None
            current, more = found
            bits += more
        return bits // 8

    def array_length(self, struct_name: str, member: str) -> int | None:
        """Return the declared length of a struct's array member (0: flexible), or None if it is not an array."""
        identity = self.find(struct_name, _STRUCT)
        found = self._member(identity, member) if identity else None
        if found is None or self._kind(found[0]) != _ARRAY:
            return None
        return self._words[self._position(found[0]) + 5]

    def size(self, struct_name: str) -> int | None:
        """Return sizeof(struct), or None if there is no such struct."""
        identity = self.find(struct_name, _STRUCT)
        return self._words[self._position(identity) + 2] if identity else None

    def typedef_id(self, name: str) -> int | None:
        """Return the ID of a typedef, or None."""
        return self.find(name, _TYPEDEF)

    def arguments(self, typedef: str) -> int | None:
        """Return the number of arguments of the function type that a typedef points to, or None."""
        identity = self.typedef_id(typedef)
        while identity and (self._kind(identity) in _TRANSPARENT or self._kind(identity) == _POINTER):
            self._step()
            identity = self._words[self._position(identity) + 2]
        return self._words[self._position(identity) + 1] & 0xFFFF if identity else None

    def enumerates(self, enum_name: str, name: str) -> bool:
        """Return whether an enum has an enumerator of this name."""
        offset = self._strings.find(b"\0" + name.encode() + b"\0") + 1
        identity = self.find(enum_name, _ENUM) if offset else None
        if identity is None:
            return False
        position = self._at[identity]
        count = self._words[position + 1] & 0xFFFF
        return offset in self._words[position + 3 : position + 3 + 2 * count : 2]

    def _position(self, identity: int) -> int:
        while len(self._at) <= identity:  # members may have types that come later
            if next(self._rest, None) is None:
                raise ValueError("no such type")
        return self._at[identity]

    def _step(self) -> None:
        self._steps -= 1
        if self._steps < 0:
            raise ValueError("types without an end")

    def _kind(self, identity: int) -> int:
        return self._words[self._position(identity) + 1] >> 24 & 31

    def _members(self, identity: int) -> Iterator[tuple[int, int, int]]:
        """Yield the position of each member's name in the strings, its type, and its offset in bits."""
        position = self._position(identity)
        info = self._words[position + 1]
        bitfields = info >> 31
        for index in range(info & 0xFFFF):
            self._step()
            name, kind, offset = self._words[position + 3 + 3 * index : position + 6 + 3 * index]
            yield name, kind, offset & 0xFFFFFF if bitfields else offset

    def _member(self, identity: int, name: str) -> tuple[int, int] | None:
        while self._kind(identity) in _TRANSPARENT:
            self._step()
            identity = self._words[self._position(identity) + 2]
        if self._kind(identity) not in (_STRUCT, _UNION):
            return None
        wanted = name.encode() + b"\0"
        for start, kind, offset in self._members(identity):
            if self._strings.startswith(wanted, start):
                return kind, offset
            if self._strings.startswith(b"\0", start):  # it has no name: its members count as the struct's
                inside = self._member(kind, name)
                if inside:
                    return inside[0], offset + inside[1]
        return None


def read_vmlinux() -> bytes:
    """Read the running kernel's BTF blob. Raises CannotTrace if there is none, or it is not readable."""
    with open_vmlinux() as file:
        return file.read(_MOST_BYTES)


def open_vmlinux() -> BinaryIO:
    """Open the BTF blob. Raises CannotTrace if there is none, or it is not readable."""
    try:
        return open(VMLINUX, "rb")
    except FileNotFoundError:
        raise CannotTrace(
            f"this kernel has no BTF ({VMLINUX} is missing): use a kernel built with CONFIG_DEBUG_INFO_BTF=y, "
            "as all current distributions ship."
        ) from None
    except OSError as err:
        if err.errno in (errno.EMFILE, errno.ENFILE):
            raise  # nothing is wrong with the file
        raise CannotTrace(f"cannot read {VMLINUX}: {err.strerror}.") from err


def kernel_facts(btf: Btf) -> KernelFacts:
    """Return everything that `bpf/sigtrace.bpf.c` needs. Raises CannotTrace, naming the member, if one is missing."""
    try:
        return _facts(btf)
    except _DAMAGES as err:
        raise CannotTrace(
            "the kernel's type information (BTF) is damaged: sigtrace does not know the layout of its structs."
        ) from err


def _facts(btf: Btf) -> KernelFacts:
    macros: dict[str, int] = {}
    for macro, name, paths in OFFSETS:
        found = next((at for path in paths if (at := btf.offset(name, path)) is not None), None)
        if found is None:
            raise CannotTrace(
                f"this kernel's struct {name} has no member {paths[0]}: sigtrace does not know its layout."
            )
        macros[macro] = found
    for macro, name in SIZES:
        size = btf.size(name)
        if size is None:
            raise CannotTrace(
                f"this kernel's BTF describes no struct {name}: sigtrace does not know its layout."
            )
        macros[macro] = size
    # If struct pid ends in a flexible array of numbers, the verifier allows any constant index into it.
    if btf.array_length("pid", "numbers") == 0:
        macros["NUMBERS_FLEXIBLE"] = 1
    # sched_process_exit(task, group_dead) (in v6.16). The first argument of the function type is the tracepoint's data.
    if btf.arguments("btf_trace_sched_process_exit") == 3:
        macros["EXIT_GROUP_DEAD"] = 1
    ids = {function: btf.typedef_id(f"btf_trace_{name}") for function, name in TRACEPOINTS.items()}
    return KernelFacts(
        macros,
        {function: identity for function, identity in ids.items() if identity},
        current_task_typed=btf.enumerates("bpf_func_id", "BPF_FUNC_get_current_task_btf"),  # (in v5.11)
    )
