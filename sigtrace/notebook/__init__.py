"""Displays for notebooks (a recording, a live collector, a postmortem), and what the notebooks in notebooks/ use.

`stage_a_stop`, `stage_an_incident` and `stage_a_fleet` return a recording, made now or shipped; `experiment` runs one
of the lab's experiments; `rules` and `plot_rules` show the kernel's rules.
"""

from sigtrace.notebook.lesson import Lesson, experiment
from sigtrace.notebook.live import LiveView, watch_in_notebook
from sigtrace.notebook.overview import overview
from sigtrace.notebook.rules import plot_rules, rules
from sigtrace.notebook.staged import Staged, stage_a_fleet, stage_a_stop, stage_an_incident
from sigtrace.notebook.table import in_seconds
from sigtrace.postmortem import postmortem, postmortems

__all__ = [
    "Lesson",
    "LiveView",
    "Staged",
    "experiment",
    "in_seconds",
    "overview",
    "plot_rules",
    "postmortem",
    "postmortems",
    "rules",
    "stage_a_fleet",
    "stage_a_stop",
    "stage_an_incident",
    "watch_in_notebook",
]
