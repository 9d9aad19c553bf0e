"""Tells a URL of findings: one POST for each, and one when it is over; retried for a while, and bounded."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any

from sigtrace._version import __version__
from sigtrace.agent.findings import Finding
from sigtrace.agent.log import LOG
from sigtrace.agent.settings import Webhook

_WAITING = 1000
"""Messages that wait for a receiver that does not answer; what comes then is lost, and counted."""
_SECONDS = 10.0
"""How long a receiver may take."""
_PAUSES = (1.0, 2.0, 5.0, 15.0, 30.0, 60.0)
"""Seconds between the attempts to send a message: it is given up after two minutes."""


class Sender:
    """Sends messages in a thread of its own."""

    def __init__(self, settings: Webhook) -> None:
        self.lost = 0
        """Messages that no receiver got."""
        self._settings = settings
        self._queue: queue.Queue[dict[str, Any] | None] = queue.Queue(_WAITING)
        self._told: dict[object, Finding] = {}
        self._closed = threading.Event()
        # A redirect would make a GET of it, and lead wherever the receiver likes.
        self._opener = urllib.request.build_opener(_NoRedirect)
        self._thread = threading.Thread(target=self._run, name="webhook", daemon=True)
        self._thread.start()

    def update(self, found: Sequence[Finding]) -> None:
        """Tell what is new, and what is over."""
        now = {each.identity: each for each in found}
        for identity in [each for each in self._told if each not in now]:
            self._put(self._told.pop(identity), "resolved")
        for identity, finding in now.items():
            if identity not in self._told:
                self._told[identity] = finding
                self._put(finding, "firing")

    def close(self, seconds: float = 1.0) -> None:
        """Send what waits, for so long at most."""
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(None)
        self._thread.join(seconds)
        self._closed.set()

    def _put(self, finding: Finding, status: str) -> None:
        message = {
            "version": 1,
            "status": status,
            "host": os.uname().nodename,
            "time": time.time(),
            **finding.as_dict(),
        }
        try:
            self._queue.put_nowait(message)
        except queue.Full:
            self.lost += 1

    def _run(self) -> None:
        while (message := self._queue.get()) is not None:
            if not self._send(message):
                self.lost += 1
                LOG.warning("the webhook did not take a finding: %s", message["summary"])

    def _send(self, message: dict[str, Any]) -> bool:
        """Send a message, again after pauses. Returns whether the receiver has it."""
        headers = {"Content-Type": "application/json", "User-Agent": f"sigtrace/{__version__}"}
        if self._settings.token:
            headers["Authorization"] = f"Bearer {self._settings.token}"
        request = urllib.request.Request(self._settings.url, json.dumps(message).encode(), headers)
        for pause in (*_PAUSES, None):
            try:
                with self._opener.open(request, timeout=_SECONDS):
                    return True
            except urllib.error.HTTPError as err:
                if err.code < 500 and err.code != 429:  # it will not like it any better later
                    return False
            except (OSError, ValueError):
                pass
            if pause is None or self._closed.wait(pause):
                break
        return False


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: object, **kwargs: object) -> None:
        return None
