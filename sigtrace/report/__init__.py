"""A recording as one HTML file to share: `gather` collects the facts, `html` renders them.

The file is self-contained: no network, no fonts, no other file. Pure functions gather the facts into `facts.Page`
(gather.py, section.py, timeline.py, drops.py); `page.py` renders templates/ with them. The charts are plain SVG, so
that they work without scripts and on paper; the script only zooms, sorts and filters.
"""

from sigtrace.report.gather import gather
from sigtrace.report.page import html, is_report

__all__ = ["gather", "html", "is_report"]
