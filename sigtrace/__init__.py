"""sigtrace: which signals the kernel dropped for the init of a PID namespace, and why.

    sigtrace.scan()                                    which inits of this host would drop their stop signal
    sigtrace.explain("TERM", container="web-1")        the outcome of one signal, predicted, and the kernel's rule
    sigtrace.Collector(container="web-1")              the kernel's signals as they happen, in batches
    sigtrace.watch_in_notebook(container="web-1")      the same, shown in a notebook's cell
    sigtrace.open("/var/tmp/signals")                  a `Recording`: its events and stops as pandas, and its
        .postmortem(container="web-1")                 explanation of why a container did not stop
    sigtrace.postmortem.live(container="web-1")        the same for a container of this host, as it is now
    sigtrace.frames                                    analyses of a recording, as pandas: `frames.df_drops`
    sigtrace.plot                                      analyses of a recording, as Altair charts: `plot.timeline`

Errors are `sigtrace.errors.SigtraceError`: one sentence with what is wrong and what to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sigtrace import frames, plot, postmortem
    from sigtrace.events.batch import Batch
    from sigtrace.live.collector import Collector
    from sigtrace.notebook import watch_in_notebook
    from sigtrace.predict.explain import explain
    from sigtrace.predict.scan import scan
    from sigtrace.recording.reader import Recording
    from sigtrace.recording.reader import open_recording as open

from sigtrace._version import __version__

__all__ = [
    "Batch",
    "Collector",
    "Recording",
    "__version__",
    "explain",
    "frames",
    "open",
    "plot",
    "postmortem",
    "scan",
    "watch_in_notebook",
]

_HOMES = {
    "Batch": ("sigtrace.events.batch", "Batch"),
    "Collector": ("sigtrace.live.collector", "Collector"),
    "Recording": ("sigtrace.recording.reader", "Recording"),
    "explain": ("sigtrace.predict.explain", "explain"),
    "open": ("sigtrace.recording.reader", "open_recording"),
    "scan": ("sigtrace.predict.scan", "scan"),
    "watch_in_notebook": ("sigtrace.notebook", "watch_in_notebook"),
    "frames": ("sigtrace.frames", ""),
    "plot": ("sigtrace.plot", ""),
    "postmortem": ("sigtrace.postmortem", ""),
}
"""The library's names -> module, and attribute in it; empty: the module itself."""

_WITHOUT_NUMPY = ("explain", "scan")
"""The names whose modules do without numpy and pyarrow."""


def __dir__() -> list[str]:
    """Return the library's names, whether they have been imported or not."""
    return sorted(__all__)


if not TYPE_CHECKING:  # to a type checker, only the names above exist

    def __getattr__(name: str) -> object:
        """Import the library's names when first used, so that the command line starts without numpy."""
        if name not in _HOMES:
            raise AttributeError(f"module 'sigtrace' has no attribute {name!r}")
        from importlib import import_module

        from sigtrace import cpu

        if name not in _WITHOUT_NUMPY:
            cpu.require()
        module, attribute = _HOMES[name]
        found = import_module(module)
        return getattr(found, attribute) if attribute else found
