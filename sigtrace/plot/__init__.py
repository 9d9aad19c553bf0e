"""Charts of signals, made with Altair, for notebooks, reports and files.

    import sigtrace
    from sigtrace import plot

    recording = sigtrace.open("/var/tmp/signals")
    plot.timeline(recording, ns=4026532249)                       # a notebook displays it
    plot.drops_over_time(recording).dark().save("drops.svg")      # or .png, .html

They take a recording, or its event table, as `sigtrace.frames` does. A chart has a bounded number of marks: more
events are counted in bins, and the subtitle says so. Containers are shown by name if it is known. Importing this
module raises NotInstalled, a BadInput, if Altair is missing.
"""

from sigtrace.errors import NotInstalled

try:
    import altair  # noqa: F401
except ImportError as err:
    raise NotInstalled("pictures need Altair: pip install 'sigtrace[notebook]'") from err

from sigtrace.plot.drops import drops_over_time
from sigtrace.plot.senders import senders
from sigtrace.plot.stops import stop_durations
from sigtrace.plot.style import Picture, javascript, on_ground, png, svg
from sigtrace.plot.timeline import timeline
from sigtrace.plot.tree import tree

__all__ = [
    "Picture",
    "drops_over_time",
    "javascript",
    "on_ground",
    "png",
    "senders",
    "stop_durations",
    "svg",
    "timeline",
    "tree",
]
