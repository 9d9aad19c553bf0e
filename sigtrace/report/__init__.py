"""A recording as one HTML file to hand round: `html` makes it.

It needs nothing but itself: no network, no fonts, no other file. Facts are gathered by pure functions into `facts.Page`
(gather.py, section.py, timeline.py, drops.py); `page.py` fills templates/ with them. The pictures are plain
SVG, drawn here, and so are there without scripts and on paper; the script only moves what is drawn, sorts and filters.
"""

from sigtrace.report.gather import gather
from sigtrace.report.page import html, is_report

__all__ = ["gather", "html", "is_report"]
