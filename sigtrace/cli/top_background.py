"""What `sigtrace top` finds out beside its screen, in threads, as /proc may be slow: forecasts, and a postmortem."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from sigtrace.errors import BadInput
from sigtrace.events.nskey import NsKey
from sigtrace.live.rates import LAST_EVENTS
from sigtrace.units import SECOND

if TYPE_CHECKING:
    from sigtrace.events.batch import Batch
    from sigtrace.live.rates import RateRow
    from sigtrace.postmortem import Report
    from sigtrace.predict.scan import Scan

_AGAIN_SECONDS, _SHARE = 10.0, 0.01
"""Least time between two scans, and their greatest average share of one CPU."""
_PAUSE = 0.5
"""Seconds between the two snapshots of a postmortem, which tell what lasts from what passes."""


class Forecast(NamedTuple):
    """What would become of a namespace if it was stopped now."""

    signal: str
    """Its stop signal: `TERM`."""
    verdict: str
    """As `sigtrace scan` has it: `waits for KILL`."""


class Forecasts:
    """The forecast of each namespace, as of the last scan; scans again, in a thread, while it is asked for."""

    def __init__(self, scan: Callable[[], Scan] | None = None) -> None:
        self._scan = scan
        self._found: Mapping[NsKey, Forecast] = {}
        self._thread: threading.Thread | None = None
        self._due = 0.0

    def latest(self) -> Mapping[NsKey, Forecast]:
        """Return what is known now, without waiting, and see to it that it is renewed."""
        if time.monotonic() >= self._due and not (self._thread and self._thread.is_alive()):
            self._thread = threading.Thread(target=self.renew, name="forecasts", daemon=True)
            self._thread.start()
        return self._found

    def renew(self) -> Mapping[NsKey, Forecast]:
        """Scan now, in this thread."""
        from sigtrace.predict.scan import scan

        used = time.thread_time()
        with contextlib.suppress(
            BadInput, OSError
        ):  # /proc is not readable: what was known is still the best
            self._found = _forecasts((self._scan or scan)())
        self._due = time.monotonic() + max(_AGAIN_SECONDS, (time.thread_time() - used) / _SHARE)
        return self._found


def _forecasts(found: Scan) -> dict[NsKey, Forecast]:
    from sigtrace import signals

    forecasts = {}
    for row in found:
        space = row.namespace
        if space.nsid is not None and space.ns_start is not None and row.request:
            name = signals.name(row.request.signal).removeprefix("SIG")
            forecasts[NsKey.from_proc(space.nsid, space.ns_start)] = Forecast(name, row.verdict)
    return forecasts


class Examination:
    """The postmortem of one namespace as it is now, made in a thread: `report` is None until it is done."""

    def __init__(self, row: RateRow, events: Batch | None, since: float) -> None:
        """events: those that were seen of it, since that time (s UTC; 0: they are only a part of them)."""
        self.key = row.key
        self.report: Report | None = None
        self.problem = ""
        if since and events is not None and len(events) >= LAST_EVENTS:  # those before are not known
            since = float(events.time[0].astype("i8")) / SECOND
        work = threading.Thread(
            target=self._examine, args=(row, events, since), name="postmortem", daemon=True
        )
        work.start()

    def _examine(self, row: RateRow, events: Batch | None, since: float) -> None:
        from sigtrace.postmortem import diagnose
        from sigtrace.postmortem.from_live import examined

        try:
            case = examined(row.key, row.container, events, int(since * SECOND), _PAUSE)
            self.report = diagnose(case)
        except Exception as err:  # the screen goes on whatever comes of it
            self.problem = f"{type(err).__name__}: {err}"
