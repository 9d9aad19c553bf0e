"""Puts the agent together, and runs it until it is told to end.

The main thread reads the ring and hands each batch to the recorder and to the metrics; a thread keeps house: it asks
the reader whether it is alive, tells the service manager, forgets old series, and reads the configuration again.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sigtrace.agent import settings as configured
from sigtrace.agent.log import LOG, set_up
from sigtrace.agent.manager import Manager
from sigtrace.agent.settings import Settings
from sigtrace.errors import SigtraceError
from sigtrace.live import privileges
from sigtrace.live.collector import Collector
from sigtrace.live.process import made, without_pandas
from sigtrace.units import number

if TYPE_CHECKING:
    from sigtrace.agent.forecast import Forecast
    from sigtrace.agent.metrics import HostMetrics
    from sigtrace.agent.web import Web
    from sigtrace.events.nskey import NsKey
    from sigtrace.live.recorder import Recorder
    from sigtrace.recording.writer import Limits

_PING_SECONDS = 15.0
"""How often the reader is asked whether it is alive, if the service manager does not want to know more often."""
_SILENT_SECONDS = 60.0
"""A reader that has not answered for so long is not well."""
_SURVEY_SECONDS = 60.0
"""How often it is looked which namespaces live; seldom enough that it takes a thousandth of a CPU at most."""
_SURVEY_SHARE = 0.001
_LOOK_SECONDS = 1.0
"""How often it is looked for findings, if there is somebody to tell."""


class Agent:
    """The agent of this host, as configured by a file (None: none) and the environment. Raises BadInput."""

    def __init__(self, path: Path | None, env: Mapping[str, str]) -> None:
        self._path, self._env = path, env
        self._settings = configured.load(path, env)
        self._manager = Manager(env)
        self._wake = threading.Event()
        self._to_reload = False
        self._ending = False
        self._ready = False
        self._ended = threading.Event()
        self._answered = time.monotonic()
        self._web: Web | None = None
        self._build_web: Callable[[Settings], Web | None] = lambda settings: None

    def run(self) -> bool:
        """Run until SIGTERM or SIGINT. Returns whether all that was read is on the disk. Raises SigtraceError."""
        set_up(self._settings.log)
        record = self._settings.record
        without_pandas()
        with contextlib.ExitStack() as stack:
            if record.enabled:
                stack.enter_context(made(record.directory))
            live = Collector(scope="all" if record.all else "inits", every_record=record.every_record)
            live.on_attached = _give_up_privileges
            stack.enter_context(live)
            stack.enter_context(self._signals(live))
            return self._run(live, stack)

    def _run(self, live: Collector, stack: contextlib.ExitStack) -> bool:
        # Not before the attachment: numpy and pyarrow start threads, which would keep all privileges.
        from sigtrace.agent.forecast import Forecast
        from sigtrace.agent.metrics import Health, HostMetrics

        recorder = self._recorder(live) if self._settings.record.enabled else None
        scan = self._settings.scan
        forecast = Forecast(scan.every if scan.enabled else 0)
        stack.callback(forecast.close)
        health = Health(losses=recorder.losses if recorder else live.losses, reload_time=time.time())
        if recorder:
            health.stopped = lambda: recorder.stopped
            health.snapshots_skipped = lambda: recorder.snapshots_skipped
        metrics = HostMetrics(live, forecast, health, self._settings.metrics)
        self._build_web = lambda settings: self._server(metrics, settings)
        self._web = self._build_web(self._settings)
        stack.callback(self._close_web)
        for note in live.notes:
            LOG.info("%s", note)
        forecast.start()
        if recorder:
            recorder.start()
        ping = _Ping(live, self._heard)
        stack.callback(ping.close)
        keeper = threading.Thread(
            target=self._keep_house, args=(ping, metrics, forecast, recorder), name="keeper", daemon=True
        )
        keeper.start()
        self._ready = True
        where = f"recording into {self._settings.record.directory}" if recorder else "not recording"
        if self._settings.webhook.url:
            self._tell(metrics, forecast, stack)
        served = f", metrics on port {self._web.port}" if self._web else ""
        LOG.info("ready: %s%s", where, served)
        self._manager.tell(READY=1, STATUS=where)
        try:
            if recorder:
                recorder.run(metrics.observe)
            else:
                for batch in live:
                    metrics.observe(batch)
        finally:
            self._ending, self._ready = True, False
            self._ended.set()
            self._manager.tell(STOPPING=1)
            self._wake.set()
            keeper.join(_PING_SECONDS)
        return self._farewell(live, recorder)

    def _tell(self, metrics: HostMetrics, forecast: Forecast, stack: contextlib.ExitStack) -> None:
        """Tell the webhook of findings, from now on and in a thread of its own."""
        from sigtrace.agent.findings import findings
        from sigtrace.agent.webhook import Sender

        sender = Sender(self._settings.webhook)
        stack.callback(sender.close)
        metrics.health.webhook_lost = lambda: sender.lost

        def look() -> None:
            while not self._ended.wait(_LOOK_SECONDS):
                pending = metrics.stops.pending()
                sender.update([*findings(pending, forecast.rows, dict(forecast.ending_since), time.time())])

        threading.Thread(target=look, name="findings", daemon=True).start()

    def _recorder(self, live: Collector) -> Recorder:
        from sigtrace.live.recorder import Recorder

        return Recorder(
            live,
            self._settings.record.directory,
            _limits(self._settings),
            lambda said: LOG.warning("%s", said),
        )

    def _farewell(self, live: Collector, recorder: Recorder | None) -> bool:
        counts = live.counts()
        seen = f"{number(counts.signals_seen, 'signal')} seen"
        if recorder is None:
            LOG.info("ended: %s", seen)
            return True
        lost = f", {recorder.lost:,} lost" if recorder.lost else ""
        LOG.info("ended: %s, %s recorded%s", seen, number(recorder.recorded, "event"), lost)
        return not recorder.lost and recorder.closed

    # Signals -------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _signals(self, live: Collector) -> Iterator[None]:
        """Inside the block, SIGTERM and SIGINT end the agent, and SIGHUP has it read its configuration again."""

        def end(number: int, frame: object) -> None:
            live.stop()

        def reload(number: int, frame: object) -> None:
            self._to_reload = True
            self._wake.set()

        actions = {signal.SIGTERM: end, signal.SIGINT: end, signal.SIGHUP: reload}
        before = {number: signal.signal(number, action) for number, action in actions.items()}
        try:
            yield
        finally:
            for number, action in before.items():
                signal.signal(number, action)

    # The housekeeper -----------------------------------------------------------------------------------

    def _keep_house(
        self, ping: _Ping, metrics: HostMetrics, forecast: Forecast, recorder: Recorder | None
    ) -> None:
        watchdog = self._manager.watchdog
        pause = min(_PING_SECONDS, watchdog / 3) if watchdog else _PING_SECONDS
        surveyed, rest = time.monotonic(), _SURVEY_SECONDS
        while not self._ending:
            ping.send()
            self._wake.wait(pause)
            self._wake.clear()
            if watchdog and time.monotonic() - self._answered < watchdog:
                self._manager.tell(WATCHDOG=1)
            if self._to_reload:
                self._to_reload = False
                self._reload(metrics, forecast, recorder)
            if not self._ending and time.monotonic() - surveyed >= rest:
                surveyed, used = time.monotonic(), time.thread_time()
                metrics.forget(_alive())
                rest = max(_SURVEY_SECONDS, (time.thread_time() - used) / _SURVEY_SHARE)

    def _heard(self) -> None:
        self._answered = time.monotonic()

    def _healthy(self) -> bool:
        return time.monotonic() - self._answered < _SILENT_SECONDS

    # Configuration -------------------------------------------------------------------------------------

    def _reload(self, metrics: HostMetrics, forecast: Forecast, recorder: Recorder | None) -> None:
        """Read the configuration again. What cannot be used is refused as a whole, and the old one stays."""
        self._manager.tell(RELOADING=1, MONOTONIC_USEC=time.monotonic_ns() // 1000)
        old = self._settings
        try:
            new = configured.load(self._path, self._env)
            self._serve(old, new)
        except SigtraceError as err:
            metrics.health.reloaded = False
            LOG.error("the configuration was not loaded, the old one stays: %s", err)
        else:
            metrics.health.reloaded, metrics.health.reload_time = True, time.time()
            self._settings = new
            set_up(new.log)
            metrics.expire_after(new.metrics.expire)
            forecast.set_interval(new.scan.every if new.scan.enabled else 0)
            if recorder:
                recorder.limit(_limits(new))
            LOG.info("the configuration was loaded again")
            if later := configured.at_start_only(old, new):
                LOG.warning("a restart is needed for the new %s", ", ".join(later))
        self._manager.tell(READY=1)

    def _serve(self, old: Settings, new: Settings) -> None:
        """Have the server that the new settings want. Raises BadInput, with the old one still there."""
        mine = [
            (each.listen, each.cert_file, each.key_file, each.basic_auth_users)
            for each in (old.metrics, new.metrics)
        ]
        if mine[0] == mine[1] and new.metrics.cert_file is None:
            return
        same_address = self._web is not None and old.metrics.listen == new.metrics.listen
        if not same_address:
            server = self._build_web(new)
            self._close_web()
            self._web = server
            return
        self._close_web()  # only one can listen there
        try:
            self._web = self._build_web(new)
        except SigtraceError:
            self._web = self._build_web(old)
            raise

    def _server(self, metrics: HostMetrics, settings: Settings) -> Web | None:
        if settings.metrics.listen is None:
            return None
        from prometheus_client import CollectorRegistry, ProcessCollector

        from sigtrace.agent.web import Web

        registry = CollectorRegistry(auto_describe=False)
        registry.register(metrics)
        ProcessCollector(registry=registry)
        return Web(settings.metrics, registry, self._healthy, lambda: self._ready)

    def _close_web(self) -> None:
        if self._web:
            self._web.close()
            self._web = None


class _Ping:
    """Asks the thread that iterates over a collector whether it is alive: it calls `answered` between two batches."""

    def __init__(self, live: Collector, answered: Callable[[], None]) -> None:
        self._live = live
        self._answered = answered
        self._event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._live.on_ready(self._event, self._answer)

    def send(self) -> None:
        """Ask."""
        os.eventfd_write(self._event, 1)

    def close(self) -> None:
        """Ask no more."""
        os.close(self._event)

    def _answer(self) -> None:
        os.eventfd_read(self._event)
        self._answered()
        self._live.on_ready(self._event, self._answer)


def _give_up_privileges() -> None:
    try:
        privileges.give_up(privileges.kept())
    except OSError as err:
        LOG.warning("privileges that are no longer needed could not be given up: %s", err.strerror)


def _limits(settings: Settings) -> Limits:
    from sigtrace.recording.writer import Limits

    return Limits(settings.record.max_size, settings.record.max_age, settings.record.rotate)


def _alive() -> set[NsKey]:
    """Return the PID namespaces that live."""
    from sigtrace.events.nskey import NsKey
    from sigtrace.procfs.namespaces import survey

    return {
        NsKey.from_proc(each.nsid, each.ns_start)
        for each in survey().namespaces
        if each.nsid is not None and each.ns_start is not None
    }
