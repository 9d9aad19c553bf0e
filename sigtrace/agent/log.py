"""What the agent says, on standard error: a line each, as text or as JSON with the keys time, level and message.

Text has no time and no host: the journal, or whatever else takes it, adds them. All of it is printable.
"""

from __future__ import annotations

import json
import logging
import sys
import time

from sigtrace.agent.settings import Log
from sigtrace.text import printable

LOG = logging.getLogger("sigtrace.agent")


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        level = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        return f"sigtrace: {level}{printable(record.getMessage())}"


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        return json.dumps(
            {
                "time": f"{when}.{int(record.msecs):03}Z",
                "level": record.levelname.lower(),
                "message": record.getMessage(),
            }
        )


def set_up(settings: Log) -> None:
    """Say it in this format from now on, and nothing below this level."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if settings.format == "json" else _Text())
    LOG.handlers = [handler]
    LOG.propagate = False
    LOG.setLevel(settings.level.upper())
    logging.raiseExceptions = False  # a closed standard error is no reason to end
