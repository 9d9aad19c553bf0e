"""What the pictures show: real signals to real PID namespaces, and the recordings of notebooks/recordings."""

from __future__ import annotations

import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sigtrace
from scripts.pictures import svg
from scripts.pictures.terminal import Shell
from sigtrace import plot
from sigtrace.lab.fake_docker import fake_docker
from sigtrace.lab.scenarios.host import ContainerHost
from sigtrace.lab.scenarios.incidents import FLEET
from sigtrace.lab.stage import Stage
from sigtrace.recording.selection import Selection
from sigtrace.report import gather, html
from tests.browser.chromium import Page, chromium

RECORDINGS = Path(__file__).parents[2] / "notebooks" / "recordings"
_NIGHT = [RECORDINGS / "fleet" / host for host in ("host-a", "host-b")]
_WIDE, _PHONE = {"width": 1180, "height": 920}, {"width": 390, "height": 780, "mobile": True}


def demo() -> str:
    """Return `sigtrace demo` as it runs."""
    with Shell(80, 34) as shell:
        shell.type("sigtrace demo\n", 0.06)
        shell.until(lambda: "shows drops live" in shell.text and shell.is_ready())
    return svg.animated(shell.frames, "sigtrace demo: a stop that hangs, and one that works")


def top() -> str:
    """Return the screen of `sigtrace top` while health probes are dropped and a stop hangs."""
    with fake_docker() as docker, Stage() as stage, _busy(ContainerHost(stage, docker)) as work:
        with Shell(100, 10, docker.env) as shell:
            shell.type("clear; sigtrace top " + " ".join(work.names) + "\n")
            shell.until(lambda: "sorted by" in shell.text)
            for _ in range(6):
                work.again()
                shell.until(lambda: True)
            shell.until(lambda: all(name in shell.text for name in work.names))
            before = len(shell.frames)
            work.again()
            shell.until(lambda: len(shell.frames) > before)
        return svg.still(shell.frames[-1], "sigtrace top: signals and drops of each container, live")


class _Work:
    """Containers of the fleet, and what is sent to them again and again."""

    def __init__(self, host: ContainerHost) -> None:
        kinds = ["web-old", "worker", "cache", "cron"]
        self.names = [f"{kind.partition('-')[0]}-1" for kind in kinds]
        self._host = host
        self._inside = []
        for name, kind in zip(self.names, kinds, strict=True):
            image = FLEET[kind]
            catches = (signal.SIGTERM,) if image.handler else ()
            self._inside.append(host.start(name, image.name, image.script, catches))
        self._rotate = host.enter(self._inside[3], "logrotate")
        self._probe = host.enter(self._inside[0], "health-probe")

    def again(self) -> None:
        """Send a round of signals: SIGTERM from outside to two, others from within."""
        self._host.send(self._inside[0], signal.SIGTERM)
        self._host.send(self._inside[1], signal.SIGTERM)
        for _ in range(12):
            self._probe(f"kill(1, {signal.SIGUSR1:d})")
        for _ in range(3):
            self._rotate(f"kill(1, {signal.SIGHUP:d})")
        time.sleep(0.4)

    def leave(self) -> None:
        """Let the visitors go."""
        for each in (self._probe, self._rotate):
            each.dismiss()


@contextmanager
def _busy(host: ContainerHost) -> Iterator[_Work]:
    work = _Work(host)
    try:
        yield work
    finally:
        work.leave()


def timeline() -> bytes:
    """Return the timeline of the incident of notebook 02 as a PNG."""
    recording = sigtrace.open(RECORDINGS / "incident")
    events = recording.events(container="web-1")
    return plot.png(plot.timeline(events), scale=1.25)


def report() -> Iterator[tuple[str, bytes]]:
    """Yield the report of a night of two hosts: its beginning, one finding with its timeline, and on a telephone."""
    with tempfile.TemporaryDirectory() as where, chromium() as browser:
        path = Path(where) / "report.html"
        path.write_bytes(html(gather(sigtrace.open(_NIGHT), Selection())))
        page = browser.page(path.as_uri(), **_WIDE)
        page.media(prefers_color_scheme="light")
        yield "report.png", page.picture()
        page.run("document.querySelector('#ns-4').scrollIntoView({block: 'start', behavior: 'instant'})")
        yield "report-finding.png", _of(page, "#ns-4", "#ns-4 .story")
        page.close()
        page = browser.page(path.as_uri(), **_PHONE)
        page.media(prefers_color_scheme="light")
        yield "report-phone.png", page.picture()
        page.close()


def _of(page: Page, first: str, until: str) -> bytes:
    """Return a part of the page: from the top of one element to the top of another."""
    top, bottom, width = page.run(
        f"[document.querySelector({first!r}).getBoundingClientRect().top + scrollY,"
        f" document.querySelector({until!r}).getBoundingClientRect().top + scrollY, innerWidth]"
    )
    return page.picture({"x": 0, "y": top, "width": width, "height": bottom - top - 6, "scale": 1})
