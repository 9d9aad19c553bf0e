"""Texts that whoever runs a process or names a container can choose, and a recording that has them everywhere."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

from sigtrace.events.container import Container
from sigtrace.recording import schema
from sigtrace.snapshot.columns import COLUMNS, row
from tests.builders.recordings import UTC, Made
from tests.builders.records import record

SECOND = 10**9
MARK = "pwn()"
"""What would be run if one of the texts were taken for code."""
TEXTS = {
    "escape": "\x1b[2J\x1b]0;title\x07x",
    "C1": "a\x9b31mb",
    "bidi": "a\u202egnp.exe\u2066",
    "invisible": "a\u200bb\u2028c\ufeff",
    "tag": f"</td></script><script>{MARK}</script>",
    "attribute": f"\" onload='{MARK}' x=\"",
    "comment": f"<!--]]><svg onload={MARK}>",
    "template": f"{{{{{MARK}}}}}{{%x%}}${{{MARK}}}",
    "formula": f"=cmd|'/c calc'!A1+{MARK}",
    "other formulas": "@SUM(1)",
    "minus": "-2+3",
    "newlines": "two\nlines\r\nthree\ttab",
    "markup": "[red]bold[/red] [link=file:///etc/passwd]x[/link]",
    "wide": "日本語の名前👍🏽" * 20,
    "combining": "e" + "\u0301" * 200,
    "surrogate escape": "\\udcff\\xff",
    "percent": "%s%n{0}{x.y}\\",
    "nothing": " ",
    "long": "W" * 512,
    "very long": "V" * (1 << 20),
}
"""A runtime's text is cut to 512 characters when it is read; in a recording it may have any length."""
RAW = {"not UTF-8": b"\xff\xfe\xc3(", "NUL": b"ab\0cd", "ends in half a character": b"caf\xe2\x82"}
"""For names of processes, which are bytes."""


def comm(text: str) -> bytes:
    """Return the text as the name of a process, which the kernel cuts wherever that is."""
    return text.encode()[:15]


def pid(number: int) -> int:
    return 1000 + number


def recording(path: Path) -> Path:
    """Make a recording in which each text is that of a container that needed SIGKILL, in every column of text."""
    made = Made(path)
    names, snapshots = [], []
    comms = [comm(text) for text in TEXTS.values()] + list(RAW.values())
    texts = [*TEXTS.values(), *(["raw"] * len(RAW))]
    for number, (text, name) in enumerate(zip(texts, comms, strict=True)):
        nsid, at = 4026532000 + number, (10 + 20 * number) * SECOND
        base: dict[str, Any] = {
            "nsid": nsid,
            "ns_start": 5_000_000 + number,
            "ns_level": 1,
            "target_pid": pid(number),
        }
        base |= {"target_tid": pid(number), "target_ns_pid": 1, "target_comm": name}
        by = {
            "sender_pid": 9,
            "sender_tid": 9,
            "sender_comm": name,
            "sender_parent_pid": 8,
            "sender_parent_comm": name,
        }
        kill = record(**base, **by, time=at + 3 * SECOND, signal=9, result=0, flags=("unkillable", "init"))
        end = record(
            **base, time=at + 3 * SECOND + 5, stage="exit", signal=0, result=-1, exit_code=9, flags=("init",)
        )
        made.add(record(**base, **by, time=at), kill, end)
        container = {
            "container_id": f"{number:064x}",
            "container_name": text,
            "runtime": "docker",
            "image": text[:600],
        }
        container |= {"pod": text[:600], "pod_namespace": text[:600], "container_stop_signal": text[:20]}
        about = {
            "time": UTC,
            "nsid": nsid,
            "ns_start": base["ns_start"],
            "init_pid": pid(number),
            "ns_level": 1,
        }
        shown = name.split(b"\0")[0].decode(errors="backslashreplace")
        names.append({**about, "parent_nsid": 4026531836, "init_comm": shown, **container})
        init = {
            "pid": pid(number),
            "tid": pid(number),
            "ns_pid": 1,
            "task_nsid": nsid,
            "is_init": True,
            "state": "S",
        }
        same = {"time": UTC + at + SECOND, "nsid": nsid, "ns_start": base["ns_start"], "trigger": "dropped"}
        masks = dict.fromkeys(("caught", "ignored", "blocked", "pending", "shared_pending"), "0" * 16)
        snapshots += [
            row(**same, tasks=1),
            row(**same, **init, **masks, comm=shown, cmdline=text[:1000], cgroup=text),
        ]
    made.writer.rows("namespaces", schema.NAMESPACES, names)
    made.writer.rows("snapshots", schema.row_schema(COLUMNS), snapshots)
    made.close()
    manifest = json.loads((path / "manifest.json").read_text())
    (path / "manifest.json").write_text(json.dumps({**manifest, "host": "<b>\x1b[2J\u202e=1+1"}))
    return path


def containers() -> list[Container]:
    """Return a container of each text."""
    return [
        Container(f"{number:064x}", text, "docker", text, text, text, text[:20])
        for number, text in enumerate(TEXTS.values())
    ]


def unsafe(text: str) -> set[str]:
    """Return the characters of an output for people that would move the cursor, hide or reorder what is shown."""
    return {
        char
        for char in text
        if char != "\n" and unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
    }
