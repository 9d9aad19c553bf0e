"""sigtrace: which signals the kernel dropped for the init of a PID namespace, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sigtrace import frames, plot
    from sigtrace.events.batch import Batch
    from sigtrace.live.collector import Collector
    from sigtrace.notebook import watch_in_notebook
    from sigtrace.recording.reader import Recording
    from sigtrace.recording.reader import open_recording as open

from sigtrace._version import __version__

__all__ = ["Batch", "Collector", "Recording", "__version__", "frames", "open", "plot", "watch_in_notebook"]

_HOMES = {
    "Batch": ("sigtrace.events.batch", "Batch"),
    "Collector": ("sigtrace.live.collector", "Collector"),
    "Recording": ("sigtrace.recording.reader", "Recording"),
    "open": ("sigtrace.recording.reader", "open_recording"),
    "watch_in_notebook": ("sigtrace.notebook", "watch_in_notebook"),
    "frames": ("sigtrace.frames", ""),
    "plot": ("sigtrace.plot", ""),
}
"""Where the library's names are: a module, and what in it."""


def __getattr__(name: str) -> object:
    """Import the library's names when first used, so that the command line starts without numpy."""
    if name not in _HOMES:
        raise AttributeError(f"module 'sigtrace' has no attribute {name!r}")
    from importlib import import_module

    module, attribute = _HOMES[name]
    found = import_module(module)
    return getattr(found, attribute) if attribute else found
