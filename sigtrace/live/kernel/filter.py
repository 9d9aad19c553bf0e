"""Filter signals and namespaces in the kernel, through maps that may be changed while the programs run."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping

from sigtrace import signals
from sigtrace.errors import BadInput
from sigtrace.events import wire
from sigtrace.events.nskey import NsKey
from sigtrace.live.kernel import syscall
from sigtrace.live.kernel.load import NS_FILTERS

WAKE_NS = 5_000_000
"""Least time between two wake-ups of the reader by one CPU. A wake-up costs the sender more than the record."""
BUDGET = 128
"""Records of a kind that one CPU writes in a window; further ones are thinned: counted only."""
_WINDOW_SECONDS = 0.010
_ALL_SIGNALS = (1 << 64) - 1
_COARSE = 6
"""CLOCK_MONOTONIC_COARSE: its resolution is one jiffy."""
_EVERYTHING, _LISTED, _ALL_BUT_EXCLUDED = 0, 1, 2


class KernelFilter:
    """The filter of one attachment, given the descriptors of its maps."""

    def __init__(self, maps: Mapping[str, int]) -> None:
        self._maps = maps
        self._listed: dict[bytes, None] = {}

    def replace(
        self,
        starts: Mapping[int, int],
        descendants: bool,
        numbers: Iterable[int | str],
        scope: str,
        follow: bool,
        every_record: bool,
    ) -> None:
        """Replace the filter. Raises BadInput for invalid arguments, which change nothing.

        starts: only these namespaces, inode -> start of the init in clock ticks as in /proc, 0 for any.
        numbers, scope: the signals (none: all) and the records. follow: every namespace passes until it is excluded.
        every_record: do not thin.
        """
        packed = self._config(
            numbers,
            scope,
            _ALL_BUT_EXCLUDED if follow else _LISTED if starts else _EVERYTHING,
            0 if every_record else BUDGET,
        )
        if any(not isinstance(inode, int) for inode in starts) or any(
            not 0 <= inode < 1 << 32 or not 0 <= start < 1 << 63 for inode, start in starts.items()
        ):
            raise BadInput(
                "namespaces are given by inode, 32 bits wide, with the start of the init in clock ticks."
            )
        if len(starts) > NS_FILTERS:
            raise BadInput(
                f"{len(starts)} namespaces to filter on: at most {NS_FILTERS} fit; leave the filter out instead."
            )
        # New keys first, then the configuration, then the old keys: a namespace that both filters select is never
        # left out in between. That is why the map has room for two sets.
        before, self._listed = self._listed, {}
        for inode, start in starts.items():
            known = NsKey.from_proc(inode, start) if start else NsKey(inode, 0)
            self._put(inode, start_ticks=known.start, descendants=int(descendants))
        syscall.map_update(self._maps["config"], bytes(4), packed)
        for key in before.keys() - self._listed.keys():
            syscall.map_delete(self._maps["namespaces"], key)

    def _config(self, numbers: Iterable[int | str], scope: str, ns_filter: int, budget: int) -> bytes:
        if scope not in wire.SCOPE:
            raise BadInput(f"unknown scope {scope!r}: use one of {', '.join(wire.SCOPE)}.")
        chosen = [signals.parse(each) if isinstance(each, str) else each for each in numbers]
        if any(not 1 <= number <= signals.SIGRTMAX for number in chosen):
            raise BadInput(f"signal numbers run from 1 to {signals.SIGRTMAX}, not {chosen}.")
        return wire.CONFIG.pack(
            signals=signals.mask(chosen) if chosen else _ALL_SIGNALS,
            harmless=signals.DEFAULT_IGNORED,
            wake_ns=WAKE_NS,
            scope=wire.SCOPE[scope],
            ns_filter=ns_filter,
            announce=1,
            budget=budget,
            window=math.ceil(_WINDOW_SECONDS / time.clock_getres(_COARSE)),
        )

    def exclude(self, namespace: NsKey) -> None:
        """Exclude a namespace, with `follow`."""
        while (
            len(self._listed) >= NS_FILTERS
        ):  # the oldest passes again; if it still lives, it is excluded again
            oldest = next(iter(self._listed))
            del self._listed[oldest]
            syscall.map_delete(self._maps["namespaces"], oldest)
        self._put(namespace.inode, start_ticks=namespace.start, excluded=1)

    def _put(self, inode: int, **values: int) -> None:
        key = inode.to_bytes(4, "little")
        syscall.map_update(self._maps["namespaces"], key, wire.NS_FILTER.pack(**values))
        self._listed[key] = None
