"""Create the maps, then load and attach the programs."""

from __future__ import annotations

import errno
import os
import threading

from sigtrace.errors import BadInput, LoadRefused
from sigtrace.events import wire
from sigtrace.live.kernel import built, syscall
from sigtrace.live.kernel.btf import TRACEPOINTS, Btf, KernelFacts, kernel_facts
from sigtrace.live.kernel.compile import Compiled, compile_programs, with_maps

METHOD = "SIGTRACE_METHOD"
"""The environment variable that forces a method: btf or raw."""

_PENDING_KEY = 8
_UNSUPPORTED = (None, errno.EACCES, errno.EINVAL, errno.ENOENT, errno.E2BIG, 524)
"""errnos of kernels that cannot verify or attach BTF programs (524: ENOTSUPP); raw tracepoints may still work."""
NS_FILTERS = 1024
"""Namespaces to filter by. The map has room for twice as many, so that one set can replace another."""
COUNTS_ENTRIES = 16384
"""Different count keys, as in `bpf/sigtrace.bpf.c`; signals with further ones are `uncounted`."""
CROWDED = COUNTS_ENTRIES // 2
"""Rows of the table beyond which those of ended namespaces are moved out."""


class Attachment:
    """The loaded programs. `maps` and `programs` are descriptors by name; `close()` detaches and frees everything.

    `method` is "btf" (BTF tracepoints, direct loads) or "raw" (raw tracepoints), `source` is "built" (the programs
    that come with sigtrace) or "compiled" (by bcc, because those do not fit this kernel). `notes` are sentences for the
    user, such as why bcc was used. Raises BadInput and CannotTrace.
    """

    def __init__(self, ring_bytes: int, method: str | None = None) -> None:
        if not 4096 <= ring_bytes <= 1 << 30 or ring_bytes & ring_bytes - 1:
            raise BadInput(f"a ring of {ring_bytes} bytes: use a power of two from 4096 to {1 << 30}.")
        method = method or os.environ.get(METHOD) or None
        if method not in (None, "btf", "raw"):
            raise BadInput(f"unknown method {method!r}: use btf, raw, or none for the best there is.")
        self.notes: list[str] = []
        self.source = ""
        self.maps: dict[str, int] = {}
        self.programs: dict[str, int] = {}
        self._links: list[int] = []
        self.ring_bytes = ring_bytes
        self.cpus = syscall.possible_cpus()
        syscall.raise_memlock()
        try:
            create_maps(ring_bytes, self.maps)
            self.method = self._load(method)
        except BaseException:
            self.close()
            raise

    def _load(self, method: str | None) -> str:
        facts = kernel_facts(Btf.of_running_kernel())
        if method == "raw":
            self._load_programs(facts, direct=False)
            return "raw"
        try:
            self._load_programs(facts, direct=True)
            return "btf"
        except LoadRefused as err:
            code = err.__cause__.errno if isinstance(err.__cause__, OSError) else None
            if method == "btf" or code not in _UNSUPPORTED:
                raise
            self._close_programs()
            self._load_programs(facts, direct=False)
            self.notes.append(
                "BTF tracepoints were refused: using raw tracepoints, at a higher cost to senders"
            )
            return "raw"

    def _load_programs(self, facts: KernelFacts, direct: bool) -> None:
        if direct and not facts.current_task_typed:
            raise LoadRefused(
                "this kernel has no bpf_get_current_task_btf(), which BTF tracepoints need here."
            )
        compiled = self._programs(facts, direct)
        descriptors = {fd: self.maps[name] for fd, name in compiled.maps.items()}
        refused: list[Exception] = []

        def load(function: str) -> None:
            code = with_maps(compiled.instructions[function], descriptors)
            try:
                self.programs[function] = syscall.prog_load(
                    code, function, compiled.tracepoint_ids.get(function)
                )
            except Exception as err:
                refused.append(err)

        # Most of a start is the verifier's time, which it spends on all programs at once if there are CPUs for it.
        threads = [threading.Thread(target=load, args=(function,)) for function in compiled.instructions]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if refused:
            raise refused[0]

    def _programs(self, facts: KernelFacts, direct: bool) -> Compiled:
        try:
            programs = built.programs(facts, direct)
            self.source = "built"
        except built.Unfit as err:
            programs = compile_programs(facts, direct)
            self.source = "compiled"
            self.notes.append(f"{err}; they were compiled by bcc {programs.bcc_version} for this kernel")
        return programs

    def attach(self) -> None:
        """Attach the programs; after the return no event is missed. Raises LoadRefused."""
        for function, fd in self.programs.items():
            tracepoint = TRACEPOINTS[function] if self.method == "raw" else None
            self._links.append(syscall.raw_tracepoint_open(fd, tracepoint))

    def detach(self) -> None:
        """Detach the programs; maps and ring stay readable."""
        while self._links:
            os.close(self._links.pop())

    def close(self) -> None:
        """Detach and free everything. Safe to repeat."""
        self.detach()
        self._close_programs()
        while self.maps:
            os.close(self.maps.popitem()[1])

    def _close_programs(self) -> None:
        while self.programs:
            os.close(self.programs.popitem()[1])


def create_maps(ring_bytes: int, maps: dict[str, int]) -> None:
    """Create the maps of the programs, and put their descriptors into `maps` by name. Raises LoadRefused."""
    event, config, cpu = wire.EVENT.size, wire.CONFIG.size, wire.CPU.size
    for name, kind, key, value, entries in (
        ("config", syscall.MAP_ARRAY, 4, config, 1),
        ("namespaces", syscall.MAP_HASH, 4, wire.NS_FILTER.size, 2 * NS_FILTERS),
        ("counts", syscall.MAP_PERCPU_HASH, wire.COUNT_KEY.size, wire.COUNT_VALUE.size, COUNTS_ENTRIES),
        ("shares", syscall.MAP_LRU_PERCPU_HASH, 16, 8, 1024),
        ("cpus", syscall.MAP_PERCPU_ARRAY, 4, cpu, 1),
        ("pending", syscall.MAP_LRU_HASH, _PENDING_KEY, event, 1024),
        ("exited", syscall.MAP_LRU_HASH, 16, 8, 1024),
        ("followed", syscall.MAP_LRU_HASH, 16, 8, 8192),
        ("scratch", syscall.MAP_PERCPU_ARRAY, 4, event, 1),
        ("events", syscall.MAP_RINGBUF, 0, 0, ring_bytes),
    ):
        maps[name] = syscall.map_create(kind, key, value, entries, name)


def rows_of_counts(attachment: Attachment) -> int:
    """Return the number of rows in the table of counts."""
    value = wire.COUNT_VALUE.size * attachment.cpus
    return syscall.map_dump(attachment.maps["counts"], wire.COUNT_KEY.size, value, COUNTS_ENTRIES)[2]
