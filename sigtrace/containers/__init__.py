"""Look up containers from cgroup paths and runtimes' files, without a daemon. The functions are in `lookup`.

They are imported on first use, so that `watch` starts before it has imported the code of every runtime.
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
