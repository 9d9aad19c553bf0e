"""Everything that is known, as metrics: a collector of prometheus-client, which looks when it is asked.

Numbers come from the kernel's exact counts, so that a storm costs nothing between two scrapes. Names and units follow
both conventions, Prometheus' and OpenTelemetry's: base units, `_total` for counters, `_timestamp_seconds` for times.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Exemplar

from sigtrace import signals
from sigtrace._version import __version__
from sigtrace.agent.forecast import VERDICTS, Forecast, verdicts
from sigtrace.agent.series import FATES, Labelled, Labels, Series, SignalSeries
from sigtrace.agent.settings import Metrics
from sigtrace.agent.stops import LiveStops
from sigtrace.events.batch import Batch
from sigtrace.events.losses import Losses
from sigtrace.events.nskey import NsKey
from sigtrace.live.collector import Collector
from sigtrace.stops.attempt import Attempt
from sigtrace.stops.sender import INSIDE, KERNEL, Asker
from sigtrace.text import printable
from sigtrace.units import SECOND

BUCKETS = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 9.0, 10.5, 15.0, 30.5, 60.5, 120.0)
"""Upper bounds of the durations of stops, seconds. Runtimes wait 10 or 30 s before SIGKILL, which takes a moment."""
OVERFLOW = {"otel_metric_overflow": "true"}
"""The labels of what has no series of its own, as OpenTelemetry's exporter for Prometheus writes them."""
_ABOUT = {
    "dropped": "Signals to inits of PID namespaces that the kernel discarded, as the init has no handler.",
    "ignored": "Signals to inits of PID namespaces that are ignored (SIG_IGN).",
    "coalesced": "Signals to inits of PID namespaces that found another of their kind pending.",
}
_LONGEST_EXEMPLAR = 100
"""Characters: OpenMetrics allows 128 for all labels of an exemplar, with their names."""


@dataclass
class Health:
    """How the agent itself is."""

    stopped: Callable[[], bool] = lambda: False
    """Whether nothing can be written to the recording now."""
    snapshots_skipped: Callable[[], int] = lambda: 0
    losses: Callable[[], Losses] = Losses
    webhook_lost: Callable[[], int] = lambda: 0
    """Findings that the webhook did not take."""
    reloaded: bool = True
    """Whether the last configuration that was read is in effect."""
    reload_time: float = 0.0
    """When that was, seconds since 1970."""


class HostMetrics:
    """Collects all metrics of this host. Any thread may scrape, one at a time."""

    def __init__(self, live: Collector, forecast: Forecast, health: Health, settings: Metrics) -> None:
        self.stops = LiveStops(self._ended)
        self._live = live
        self._forecast = forecast
        self.health = health
        self._most = settings.max_series
        self._labelled = Labelled(settings.labels)
        self._signals = SignalSeries(self._labelled, settings.max_series, settings.expire)
        self._killed = Series(settings.max_series, settings.expire)
        self._kills = 0
        self._durations: dict[str, _Histogram] = {}
        self._lock = threading.Lock()
        self._of_stops = threading.Lock()
        """Held for moments only: the reader of the ring waits for it."""

    def observe(self, batch: Batch) -> None:
        """Take a batch of the collector."""
        self.stops.observe(batch)

    def forget(self, alive: set[NsKey]) -> None:
        """Forget the series of containers that ended a while ago."""
        with self._lock:
            self._signals.forget(alive)
        with self._of_stops:
            self._killed.forget(alive)

    def expire_after(self, seconds: float) -> None:
        """Forget series after another time from now on."""
        for series in (*self._signals.of.values(), self._killed):
            series.expire = seconds

    def collect(self) -> Iterator[Metric]:
        """Yield all metrics, as prometheus-client asks for them."""
        began = time.perf_counter()
        with self._lock:
            counts = self._live.counts()
            self._signals.update(counts, self._live.names.of)
            yield from self._of_signals()
        yield from self._of_ended_stops()
        yield from self._of_pending_stops()
        yield from self._of_forecast()
        losses = self.health.losses()
        yield _total(
            "signals", "Signals that were sent on this host, as the kernel counted them.", counts.signals_seen
        )
        yield _total("records", "Records that the kernel wrote.", losses.committed)
        yield _total(
            "events_thinned", "Events that were counted only, being too many of a kind.", counts.thinned
        )
        yield from _of_losses(losses)
        yield from self._of_itself()
        yield _gauge(
            "scrape_duration_seconds", "How long it took to collect all this.", time.perf_counter() - began
        )

    def _of_signals(self) -> Iterator[Metric]:
        for fate in FATES:
            metric = Metric(f"sigtrace_signals_{fate}", _ABOUT[fate], "counter")
            for labels, total in self._signals.of[fate]:
                *container, number = labels
                said = self._said(tuple(container)) | {"signal": signals.name(int(number))}
                metric.add_sample(f"{metric.name}_total", said, total)
            if self._signals.rest[fate]:
                metric.add_sample(f"{metric.name}_total", OVERFLOW, self._signals.rest[fate])
            yield metric

    def _of_ended_stops(self) -> Iterator[Metric]:
        metric = Metric(
            "sigtrace_stop_duration_seconds", "From the request to the exit, by who asked.", "histogram"
        )
        killed = Metric(
            "sigtrace_stops_killed", "Stops that needed SIGKILL, as the request had no effect.", "counter"
        )
        with self._of_stops:
            for by, histogram in self._durations.items():
                histogram.add_to(metric, {"asked_by": by})
            series, kills = list(self._killed), self._kills
        for labels, total in series:
            killed.add_sample(f"{killed.name}_total", self._said(labels), total)
        if rest := kills - sum(total for _, total in series):
            killed.add_sample(f"{killed.name}_total", OVERFLOW, rest)
        yield metric
        yield killed

    def _of_pending_stops(self) -> Iterator[Metric]:
        pending = self.stops.pending()
        metric = Metric(
            "sigtrace_stop_pending_since_timestamp_seconds",
            "When an init that is still there was asked to stop; dropped: whether the kernel discarded a request.",
            "gauge",
        )
        for each in pending[: self._most]:
            said = self._said(self._labelled.values(each.container)) | {
                "nsid": str(each.nsid),
                "signal": signals.name(each.signal),
                "asked_by": asked_by(each.asker),
                "dropped": "true" if each.dropped else "false",
            }
            metric.add_sample(metric.name, said, each.asked / SECOND)
        yield metric
        yield _gauge("stops_pending", "Inits that were asked to stop and are still there.", len(pending))

    def _of_forecast(self) -> Iterator[Metric]:
        rows, since = self._forecast.rows, self._forecast.ending_since
        count = verdicts(rows)
        metric = Metric(
            "sigtrace_namespaces", "PID namespaces by what a stop would do, as of the last scan.", "gauge"
        )
        for verdict in VERDICTS:
            metric.add_sample(metric.name, {"stop": _word(verdict)}, count(verdict))
        yield metric
        hang = Metric(
            "sigtrace_container_would_hang", "1 for a container whose stop would wait for SIGKILL.", "gauge"
        )
        for row in [row for row in rows if row.container and row.verdict == "waits for KILL"][: self._most]:
            said = self._said(self._labelled.values(row.container))
            said |= {"nsid": str(row.key.inode), "stop_signal": row.stop_signal}
            hang.add_sample(hang.name, said, 1)
        yield hang
        ending = Metric(
            "sigtrace_namespace_ending_since_timestamp_seconds",
            "Since when a PID namespace has been there without a living init, as scans saw it.",
            "gauge",
        )
        for row in [row for row in rows if row.ending][: self._most]:
            said = self._said(self._labelled.values(row.container)) | {"nsid": str(row.key.inode)}
            ending.add_sample(ending.name, said, since.get(row.key, self._forecast.time))
        yield ending
        yield _gauge(
            "scan_timestamp_seconds", "When all containers were looked at last.", self._forecast.time
        )
        yield _total("scans_failed", "Scans that failed.", self._forecast.failures)

    def _of_itself(self) -> Iterator[Metric]:
        health = self.health
        build = Metric("sigtrace_build", "The version of the agent.", "info")
        build.add_sample("sigtrace_build_info", {"version": __version__, "method": self._live.method}, 1)
        yield build
        yield _gauge(
            "recording_stopped", "1 while nothing can be written to the recording.", int(health.stopped())
        )
        yield _total(
            "snapshots_skipped", "Snapshots of /proc that were not taken.", health.snapshots_skipped()
        )
        yield _total("webhook_lost", "Findings that the webhook did not take.", health.webhook_lost())
        yield _gauge(
            "config_last_reload_successful", "1 if the last configuration is in effect.", int(health.reloaded)
        )
        yield _gauge("config_last_reload_timestamp_seconds", "When it was read.", health.reload_time)

    def _ended(self, attempt: Attempt) -> None:
        """Count a stop that has ended."""
        labels = self._labelled.values(attempt.container)
        with self._of_stops:
            self._durations.setdefault(asked_by(attempt.asker), _Histogram()).observe(attempt)
            if attempt.needed_kill and attempt.until_kill is not None:
                self._kills += 1
                self._killed.add(labels, attempt.key, 1)

    def _said(self, labels: Labels) -> dict[str, str]:
        return dict(zip(self._labelled.names, labels, strict=True))


class _Histogram:
    """Durations of stops; each bucket has the last stop in it as an exemplar."""

    def __init__(self) -> None:
        self._counts = [0] * (len(BUCKETS) + 1)
        self._exemplars: list[Exemplar | None] = [None] * (len(BUCKETS) + 1)
        self._sum = 0.0

    def observe(self, attempt: Attempt) -> None:
        """Count a stop that has ended."""
        assert attempt.exited is not None
        place = bisect_left(BUCKETS, attempt.seconds)
        self._counts[place] += 1
        self._sum += attempt.seconds
        label = printable(attempt.container.label) if attempt.container else str(attempt.nsid)
        labels = {"container": label[:_LONGEST_EXEMPLAR]}
        self._exemplars[place] = Exemplar(labels, attempt.seconds, attempt.exited / SECOND)

    def add_to(self, metric: Metric, labels: dict[str, str]) -> None:
        """Add its samples to a metric."""
        total = 0
        bounds = [*(str(bound) for bound in BUCKETS), "+Inf"]
        for bound, count, exemplar in zip(bounds, self._counts, self._exemplars, strict=True):
            total += count
            metric.add_sample(f"{metric.name}_bucket", {**labels, "le": bound}, total, exemplar=exemplar)
        metric.add_sample(f"{metric.name}_count", labels, total)
        metric.add_sample(f"{metric.name}_sum", labels, self._sum)


def asked_by(asker: Asker) -> str:
    """Return who asked, as one of few words: a runtime, inside, kernel, other, or unknown."""
    if asker.runtime or asker.by in (INSIDE, KERNEL):
        return asker.runtime or asker.by
    return "other" if asker.by else "unknown"


def _of_losses(losses: Losses) -> Iterator[Metric]:
    lost = Metric(
        "sigtrace_records_lost", "Records that were lost, by where there was no room for them.", "counter"
    )
    for reason, count in {"ring": losses.lost, "queue": losses.unqueued, "disk": losses.unwritten}.items():
        lost.add_sample(f"{lost.name}_total", {"reason": reason}, count)
    yield lost
    uncounted = Metric(
        "sigtrace_signals_uncounted", "Signals that are missing in all numbers here.", "counter"
    )
    for reason, count in {"table": losses.uncounted, "skipped": losses.missed}.items():
        uncounted.add_sample(f"{uncounted.name}_total", {"reason": reason}, count)
    yield uncounted


def _total(name: str, about: str, value: float) -> Metric:
    metric = Metric(f"sigtrace_{name}", about, "counter")
    metric.add_sample(f"sigtrace_{name}_total", {}, value)
    return metric


def _gauge(name: str, about: str, value: float) -> Metric:
    metric = Metric(f"sigtrace_{name}", about, "gauge")
    metric.add_sample(metric.name, {}, value)
    return metric


def _word(verdict: str) -> str:
    return verdict.replace("'", "").replace(" ", "_").lower()
