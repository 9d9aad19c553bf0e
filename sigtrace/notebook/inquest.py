"""Postmortems from a notebook: of one container, or all of a recording as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sigtrace.containers.selector import Wanted
from sigtrace.errors import BadInput
from sigtrace.postmortem import Report, diagnose, from_recording
from sigtrace.postmortem.ranking import rank
from sigtrace.recording.reader import Recording
from sigtrace.recording.selection import named

if TYPE_CHECKING:
    import pandas as pd


def postmortem(recording: Recording, *, container: str = "", ns: int = 0, host: str = "") -> Report:
    """Why this container, or PID namespace, did not stop, as `sigtrace postmortem` tells it; a notebook shows it.

    container: by name, label or beginning of the ID; ns: by inode; host: there, or on any. Of several that are meant,
    the last. The causes found are in `findings`. Raises BadInput when the recording has none such.
    """
    if container:
        lives = from_recording.lives(recording, Wanted(containers=(container,)))
        meant = [one for each in lives for one in each.namespaces]
    else:
        meant = list(named(recording.spaces, str(ns)))
    meant = [each for each in meant if host in ("", each.home.host)]
    cases = from_recording.recorded(recording, meant[-1:]) if meant else []
    if not cases:
        raise BadInput(
            f"the recording has no {container or ns} on {host}; its hosts: {', '.join(recording.hosts())}."
        )
    return diagnose(cases[-1])


def postmortems(recording: Recording) -> pd.DataFrame:
    """Every PID namespace of a recording in which something happened: a row each, the most stuck first.

    host       category         host name
    nsid       uint32           inode
    container  category         its container's name; empty if not known
    image      category         its container's image
    asked      category         the signal it was asked to end by: SIGTERM; empty: nobody asked
    outcome    object           what came of it, in words
    took       timedelta64[ns]  from that signal to its end, or until the recording ends
    cause      category         slug of the gravest finding (docs/postmortem.md); empty: nothing was found
    findings   int64            how many there are, notices aside
    """
    import pandas as pd

    rows = []
    for standing in rank(from_recording.all_recorded(recording)):
        case, findings = standing.report.case, standing.report.findings
        container = case.container
        rows.append(
            {
                "host": case.host,
                "nsid": case.nsid,
                "container": container.label if container else "",
                "image": container.image if container else "",
                "asked": "" if standing.signal == "-" else f"SIG{standing.signal}",
                "outcome": standing.outcome,
                "took": standing.took,
                "cause": findings[0].cause if findings else "",
                "findings": len(findings),
            }
        )
    names = ["host", "nsid", "container", "image", "asked", "outcome", "took", "cause", "findings"]
    table = pd.DataFrame(rows, columns=names)
    table["took"] = pd.to_timedelta(table["took"].astype("int64"), unit="ns")
    dtypes = dict.fromkeys(("host", "container", "image", "asked", "cause"), "category")
    found: pd.DataFrame = table.astype({**dtypes, "nsid": "uint32", "findings": "int64"})
    return found
