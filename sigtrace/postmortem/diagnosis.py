"""Postmortems by name: of one container, of a recording or of this host, or all of a recording as a table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pandas as pd

from sigtrace.clock import Time, nanoseconds
from sigtrace.containers.selector import ContainerSelector
from sigtrace.errors import BadInput
from sigtrace.postmortem import from_live, from_recording, incarnation
from sigtrace.postmortem.ranking import rank
from sigtrace.postmortem.runner import Report, diagnose
from sigtrace.procfs import pidns
from sigtrace.recording.selection import named
from sigtrace.text import printable

if TYPE_CHECKING:
    from sigtrace.recording.reader import Recording

_MOST = 8


def postmortem(
    recording: Recording,
    *,
    ns: int | str | None = None,
    container: str = "",
    pod: str = "",
    host: str = "",
    at: Time | None = None,
) -> Report:
    """Why a container, or PID namespace, did not stop, as `sigtrace postmortem` tells it; a notebook shows it.

    ns: the namespace: an inode, or a text as `--ns` takes it.
    container, pod: or the container, by name, label or beginning of the ID, or the pod, as NAMESPACE/NAME.
    host: there, or wherever it is. at: as it was then: UTC, as text, datetime or ns.

    Of the namespaces that a container had, one each time it ran, the last that was asked to stop or has findings; of
    those that had one inode, the last. `findings` has the causes, the gravest first. Raises BadInput when the recording
    has none such, or several.
    """
    wanted = _wanted(ns, container, pod)
    until = None if at is None else nanoseconds(at)
    if wanted.empty:
        every = [each for each in named(recording.spaces, str(ns)) if host in ("", each.home.host)]
        meant = [each for each in every if until is None or each.born <= until] or every
        _see_that_one((str(ns),), {f"that of {each.home.host}" for each in meant})
    else:
        lives = [
            each
            for each in from_recording.lives(recording, wanted, until)
            if host in ("", each.namespaces[-1].home.host)
        ]
        _see_that_one(
            wanted.words, [f"{each.container.label} on {each.namespaces[-1].home.host}" for each in lives]
        )
        meant = [one for each in lives for one in each.namespaces]
    if not meant:
        words = " ".join(map(printable, wanted.words)) or ns
        raise BadInput(f"the recording has no {words} on {host}; its hosts: {', '.join(recording.hosts())}.")
    one = meant[-1] if wanted.empty or until is not None else incarnation.telling(recording, meant)
    return diagnose(from_recording.recorded(recording, [one], until)[-1])


def live(*, ns: int | str | None = None, container: str = "", pod: str = "", listen: float = 1.0) -> Report:
    """Why a container, or PID namespace, of this host does not stop, or would not, as it is now.

    ns, container, pod: as for a recording. listen: for how many seconds to watch its signals, between two snapshots
    of /proc. `problems` says what could not be seen: without the privilege to trace there are no signals, and without
    root only a part of /proc. Raises BadInput when there is none such here, or several.

        sigtrace.postmortem.live(container="web-1").findings
    """
    wanted = _wanted(ns, container, pod)
    if wanted.empty:
        inode = pidns.parse_ns(str(ns))
        home = from_live.home_of(inode)
    else:
        found = from_live.alive(wanted)
        _see_that_one(wanted.words, [f"PID namespace {inode}" for inode in found])
        if not found:
            raise BadInput(f"nothing of {' '.join(map(printable, wanted.words))} runs here.")
        ((inode, home),) = found.items()
    case, problem = from_live.live(inode, listen, home)
    return diagnose(case, problems=(problem,) if problem else ())


def _wanted(ns: int | str | None, container: str, pod: str) -> ContainerSelector:
    """The containers that are meant; empty: the namespace is. Raises BadInput where it is not one of the two."""
    wanted = ContainerSelector((container,) if container else (), (pod,) if pod else ())
    if (ns is None) == wanted.empty:
        raise BadInput("whose postmortem? Give either ns, or container and pod.")
    return wanted


def _see_that_one(words: Iterable[str], found: Iterable[str]) -> None:
    """Raises BadInput if the words stand for several things."""
    things = sorted(found)
    if len(things) > 1:
        listed = ", ".join(map(printable, things[:_MOST]))
        more = f" and {len(things) - _MOST} more" if len(things) > _MOST else ""
        raise BadInput(f"{' '.join(map(printable, words))} may be {listed}{more}: say which.")


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
