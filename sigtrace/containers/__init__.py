"""Containers by name: from cgroup paths and runtimes' files, without asking a daemon. `lookup` has the functions.

They are imported when they are asked for: a watch is to be ready before it knows how every runtime keeps its files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sigtrace.containers.lookup import of_cgroup, of_process

__all__ = ["of_cgroup", "of_process"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from sigtrace.containers import lookup

    return getattr(lookup, name)
