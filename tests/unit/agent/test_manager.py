"""What a service manager hears: sd_notify(3) over a real socket."""

from __future__ import annotations

import os
import socket
import uuid
from pathlib import Path

import pytest

from sigtrace.agent.manager import Manager


@pytest.mark.parametrize("abstract", [False, True])
def test_it_hears_the_state(tmp_path: Path, abstract: bool) -> None:
    name = f"@{uuid.uuid4()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as hears:
        hears.bind("\0" + name[1:] if abstract else name)
        Manager({"NOTIFY_SOCKET": name}).tell(READY=1, STATUS="recording")
        assert hears.recv(100) == b"READY=1\nSTATUS=recording"


def test_nobody_to_tell_is_no_error(tmp_path: Path) -> None:
    Manager({}).tell(READY=1)
    Manager({"NOTIFY_SOCKET": str(tmp_path / "gone")}).tell(READY=1)


@pytest.mark.parametrize(
    ("env", "seconds"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_for_the_process_that_it_names(env: dict[str, str], seconds: float | None) -> None:
    assert Manager({"NOTIFY_SOCKET": "/nowhere", **env}).watchdog == seconds
