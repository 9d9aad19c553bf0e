"""Postmortems by name: of one container, from a recording or live, or of all namespaces of a recording as a table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sigtrace.containers.selector import ContainerSelector
from sigtrace.errors import BadInput
from sigtrace.moments import Time, nanoseconds
from sigtrace.postmortem import from_live, from_recording, incarnation
from sigtrace.postmortem.ranking import rank
from sigtrace.postmortem.runner import Report, diagnose
from sigtrace.procfs import pidns
from sigtrace.text import printable

if TYPE_CHECKING:
    import pandas as pd

    from sigtrace.recording.reader import Recording

_MOST = 8
"""Candidates that an error message lists."""


def postmortem(
    recording: Recording,
    *,
    ns: int | str | None = None,
    container: str = "",
    pod: str = "",
    host: str = "",
    at: Time | None = None,
) -> Report:
    """Explain why a container, or PID namespace, of a recording did not stop, as `sigtrace postmortem` does.

    ns: the namespace: an inode, or text as `--ns` takes it.
    container, pod: instead of ns, the container, by name, label or beginning of the ID, or the pod, as NAMESPACE/NAME.
    host: the host to look on; by default all. at: the time up to which events count: UTC, as text, datetime or ns.

    A container has one namespace for each time it ran: the last that was asked to stop or has findings is chosen. Of
    namespaces that reused one inode, the last is chosen. The first of the report's `findings` explains the stop. Raises
    BadInput if the recording has no such container or namespace, or several.
    """
    wanted = _wanted(ns, container, pod)
    until = None if at is None else nanoseconds(at)
    if wanted.empty:
        meant = incarnation.by_name(recording, _text(ns), until, host).meant
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
        meant = incarnation.of_container(recording, lives[0], until).meant if lives else ()
    if not meant:
        words = " ".join(map(printable, wanted.words)) or ns
        raise BadInput(
            f"the recording has no {words} on {host}: its hosts are {', '.join(recording.hosts())}."
        )
    return diagnose(from_recording.recorded(recording, meant[-1:], until)[-1])


def live(*, ns: int | str | None = None, container: str = "", pod: str = "", listen: float = 1.0) -> Report:
    """Explain why a container, or PID namespace, of this host does not stop, or would not stop, as it is now.

    ns, container, pod: as for a recording. listen: seconds for which to trace its signals, between two snapshots of
    /proc. The report's `problems` state what could not be read: without the privilege to trace there are no signals,
    without root only a part of /proc. Raises BadInput if there is no such container or namespace here, or several.

        sigtrace.postmortem.live(container="web-1").findings
    """
    wanted = _wanted(ns, container, pod)
    if wanted.empty:
        home = from_live.home_of(pidns.parse_ns(_text(ns)))
    else:
        found = from_live.alive(wanted)
        _see_that_one(wanted.words, [f"PID namespace {each.nsid}" for each in found])
        if not found:
            raise BadInput(f"no container of {' '.join(map(printable, wanted.words))} is running here.")
        (home,) = found
    case, problem = from_live.live(home, listen)
    return diagnose(case, problems=(problem,) if problem else ())


def _text(ns: int | str | None) -> str:
    """The namespace as `pidns.read_name` reads it: a number is an inode."""
    return ns if isinstance(ns, str) else f"pid:[{ns}]"


def _wanted(ns: int | str | None, container: str, pod: str) -> ContainerSelector:
    """Return the wanted containers; empty if a namespace is wanted. Raises BadInput unless one of the two is given."""
    wanted = ContainerSelector((container,) if container else (), (pod,) if pod else ())
    if (ns is None) == wanted.empty:
        raise BadInput("a postmortem is of one namespace or container: give either ns, or container or pod.")
    return wanted


def _see_that_one(words: Iterable[str], found: Iterable[str]) -> None:
    """Raise BadInput if the words match several things."""
    things = sorted(found)
    if len(things) > 1:
        listed = ", ".join(map(printable, things[:_MOST]))
        more = f" and {len(things) - _MOST} more" if len(things) > _MOST else ""
        raise BadInput(f"{' '.join(map(printable, words))} may be {listed}{more}: say which.")


def postmortems(recording: Recording) -> pd.DataFrame:
    """Return a row for each PID namespace of a recording that has events, those with the worst findings first.

    host       category         host name
    nsid       uint32           inode
    container  category         its container's name; empty if not known
    image      category         its container's image
    asked      category         the signal that asked it to end: SIGTERM; empty: it was not asked
    outcome    object           how it ended, in words
    took       timedelta64[ns]  from that signal to its end, or to the end of the recording
    cause      category         slug of the first finding (docs/postmortem.md); empty: none
    findings   int64            the number of findings, without notices
    records_lost  int64         records lost of its time: with some, no finding does not mean that there is nothing
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
                "records_lost": case.losses.total,
            }
        )
    names = [
        "host",
        "nsid",
        "container",
        "image",
        "asked",
        "outcome",
        "took",
        "cause",
        "findings",
        "records_lost",
    ]
    table = pd.DataFrame(rows, columns=names)
    table["took"] = pd.to_timedelta(table["took"].astype("int64"), unit="ns")
    dtypes = dict.fromkeys(("host", "container", "image", "asked", "cause"), "category")
    found: pd.DataFrame = table.astype(
        {**dtypes, "nsid": "uint32", "findings": "int64", "records_lost": "int64"}
    )
    return found
