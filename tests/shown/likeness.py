"""Whether an output is what a page shows: the same words in the same order, but for what differs from run to run."""

from __future__ import annotations

import difflib
import re

_VARY = (
    (r"\d\d:\d\d:\d\d(?:\.\d+)?Z?", "TIME"),
    (r"\d{4}-\d\d-\d\d(?:TTIME)?", "DATE"),
    (r"(?<=[\[/#])\d+\b", "PID"),
    (r"\+?(?<![\w.-])\d+(?:\.\d+)? (?:us|ms|s|min|h)\b(?: \d+ (?:s|min)\b)?", "SPAN"),
    (r"delivered SPAN later:", "delivered:"),
    (r"(?<![\w.:-])\d+[smhd]\b", "AGE"),
    (r"\b40265\d{5}\b", "NSID"),
    (r"\b[0-9a-f]{12,64}\b", "HEX"),
    (r"(?<![\w.:-])\d{3,}\b", "NUMBER"),
    (r"/tmp/[\w./-]+/signals\b|/var/tmp/signals\b", "DIR"),
    (r"/tmp/[\w./-]+/", "/bin/"),
    (r"(?<=, at )\w+", "PLACE"),
)
"""What differs: a pattern, and what stands for it."""

ANYTHING = "..."
"""A line of a page that stands for any lines."""


def words(text: str) -> list[str]:
    """Return the words of an output; lines are wrapped where the PIDs of the day want it, so only words count."""
    text = " ".join(text.split())
    for pattern, name in _VARY:
        text = re.sub(pattern, name, text)
    return text.split()


def difference(shown: str, real: str) -> str:
    """Return what of the shown output the real one has not, as a diff of words; empty if they are alike."""
    parts = [words(part) for part in re.split(r"^ *\.\.\.$", shown, flags=re.M)]
    said = words(real)
    pattern = " (?:.* )?".join(re.escape(" ".join(part)) for part in parts if part)
    if not pattern or re.search(f"(?:^| ){pattern}(?: |$)", " ".join(said)):
        return ""
    wanted = [word for part in parts for word in part]
    return "\n".join(difflib.unified_diff(wanted, said, "shown", "real", n=6, lineterm=""))
