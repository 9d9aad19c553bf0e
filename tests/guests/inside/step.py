"""A step of a guest's job: its result goes to the console as a line of JSON, which the host picks out of the rest."""

from __future__ import annotations

import json
import os
import subprocess
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any

MARK = "@guest "
"""Begins a line that is meant for the host."""

LONG = 600.0
"""Seconds after which a command of a guest counts as hung."""


class Wrong(Exception):
    """A claim that does not hold; `str()` says what was seen instead."""


def tell(**values: object) -> None:
    """Send values to the host."""
    print(f"\n{MARK}{json.dumps(values)}", flush=True)


def step(name: str, claim: Callable[[], str | None], **about: object) -> bool:
    """Run a claim and tell what came of it; returns whether it holds. What the claim returns are words about it."""
    started, failed, said = time.monotonic(), 0, ""
    try:
        said = claim() or ""
    except Exception as err:
        failed, said = 1, str(err) if isinstance(err, Wrong) else traceback.format_exc()
    seconds = round(time.monotonic() - started, 1)
    tell(step=name, passed=1 - failed, failed=failed, seconds=seconds, said=said, **about)
    return not failed


def check(condition: object, otherwise: object) -> None:
    """Raise Wrong, with what was seen, unless the condition holds."""
    if not condition:
        raise Wrong(str(otherwise))


def run(*words: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; env: what its environment has besides."""
    environment = {**os.environ, **(env or {})}
    return subprocess.run(words, capture_output=True, text=True, check=False, env=environment, timeout=LONG)


def rows(text: str) -> list[dict[str, Any]]:
    """Parse JSON Lines."""
    return [json.loads(line) for line in text.splitlines()]
