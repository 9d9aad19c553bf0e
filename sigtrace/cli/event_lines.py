"""One line per event: who sent which signal to whom, in which namespace, and what became of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from sigtrace.events.outcome import ended, label
from sigtrace.text import columns, padded, printable, shorten

if TYPE_CHECKING:
    from sigtrace.events.batch import Batch

_TIME, _SIGNAL, _VERDICT = 12, 8, 20
_NS, _WIDEST_NS = 10, 32
_GAPS = 5
_WITH_PARENT = 26
"""A sender column wider than this has room for most parents too."""
_NARROWEST = 80


class EventLines:
    """Lays out events for a terminal of `width` columns; a wider terminal shows more of the names."""

    def __init__(self, width: int, colour: bool) -> None:
        self._ns = min(_NS + max(width - _NARROWEST, 0) // 3, _WIDEST_NS)
        room = max(width, _NARROWEST) - 1 - _TIME - self._ns - _SIGNAL - _VERDICT - _GAPS
        self._sender = min((room + 1) // 2, 40)
        self._target = min(room - self._sender, 24)
        self._colour = colour

    def header(self) -> str:
        """The column titles."""
        sender = "PARENT<SENDER" if self._sender > _WITH_PARENT else "SENDER"
        return self._line("TIME (UTC)", "NAMESPACE", "SIGNAL", sender, "TARGET") + "WHAT BECAME OF IT"

    def lines(self, batch: Batch) -> Iterator[str]:
        """A line for each record of the batch."""
        residents = batch.residents
        rows: Iterator[dict[str, Any]] = batch.rows()
        for row, code in zip(rows, residents.codes.tolist(), strict=True):
            container = residents.containers[code]
            yield self._line(
                row["time"][11:23],
                container.fitting(self._ns) if container else str(row["nsid"]),
                row["signal_name"].removeprefix("SIG") or row["stage"],
                self._sender_of(row),
                self._process(row["target_comm"], row["target_pid"], self._target),
            ) + self._outcome(row)

    def _line(self, when: str, ns: str, signal: str, sender: str, target: str) -> str:
        sender, target = padded(sender, self._sender), padded(target, self._target)
        return f"{when:<{_TIME}} {padded(ns, self._ns)} {signal:<{_SIGNAL}} {sender} {target} "

    def _sender_of(self, row: dict[str, Any]) -> str:
        if row["sender_pid"] is None:
            if row["relation"] != "kernel" or _ends_group(row):
                return "-"
            # SI_KERNEL: the context of a timer or a fault is whoever ran.
            known = row["context_pid"] is not None and row["code"] == 128
            text = f"kernel in {printable(row['context_comm'])}/{row['context_pid']}" if known else "kernel"
            return text if columns(text) <= self._sender else "kernel"
        sender = self._process(row["sender_comm"], row["sender_pid"], self._sender)
        parent = self._process(row["sender_parent_comm"], row["sender_parent_pid"], self._sender) + "<"
        return parent + sender if columns(parent) + columns(sender) <= self._sender else sender

    @staticmethod
    def _process(comm: str, pid: int, width: int) -> str:
        return f"{shorten(comm, width - len(str(pid)) - 1)}/{pid}"

    def _outcome(self, row: dict[str, Any]) -> str:
        words = label(row["verdict"], row["signal"], row["origin"])
        if row["stage"] == "exit":
            words = ended(row["exit_code"], row["exit_signal"] or 0)
        elif _ends_group(row):
            words = "dies"
        if row["thinned"]:
            words = f"{words.split(':')[0]} x {row['thinned'] + 1:,}"
        if not self._colour:
            return words
        return click.style(words, fg="red" if row["verdict"].startswith("dropped") else None)


def _ends_group(row: dict[str, Any]) -> bool:
    """Whether a thread ends because its process dies, or runs a new program, which ends all threads but one.

    `get_signal()` traces a SIGKILL for each such thread as if the kernel had sent it; it has no sender.
    """
    no_sender = row["relation"] == "kernel" and row["code"] == 0
    return (
        row["stage"] == "deliver" and row["signal_name"] == "SIGKILL" and (bool(row["exiting"]) or no_sender)
    )
