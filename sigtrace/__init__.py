"""sigtrace: which signals the kernel dropped for the init of a PID namespace, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sigtrace.batch import Batch
    from sigtrace.collector import Collector
    from sigtrace.recording import Recording
    from sigtrace.recording import open_recording as open

__version__ = "0.1.0"
__all__ = ["Batch", "Collector", "Recording", "__version__", "open"]


def __getattr__(name: str) -> object:
    """Import the library's names when first used, so that the command line starts without numpy."""
    if name == "Collector":
        from sigtrace.collector import Collector

        return Collector
    if name == "Batch":
        from sigtrace.batch import Batch

        return Batch
    if name == "Recording":
        from sigtrace.recording import Recording

        return Recording
    if name == "open":
        from sigtrace.recording import open_recording

        return open_recording
    raise AttributeError(f"module 'sigtrace' has no attribute {name!r}")
