"""The agent's housekeeper: what it tells the service manager of a reader that lives, and of one that does not."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from sigtrace.agent.run import Agent
from tests.patience import patient


class Ping:
    """Stands for the thread that reads the ring."""

    def __init__(self, agent: Agent, alive: bool) -> None:
        self.agent, self.alive = agent, alive
        self.asked = threading.Semaphore(0)

    def send(self) -> None:
        self.asked.release()
        if self.alive:
            self.agent._heard()


@pytest.mark.parametrize("alive", [True, False])
def test_only_a_reader_that_answers_keeps_the_watchdog_quiet(tmp_path: Path, alive: bool) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as hears:
        hears.bind(str(tmp_path / "notify"))
        agent = Agent(None, {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "90000"})
        agent._answered = float("-inf")
        ping = Ping(agent, alive)
        keeper = threading.Thread(target=agent._keep_house, args=(ping, None, None, None))
        keeper.start()
        try:
            for _ in range(4):
                assert ping.asked.acquire(timeout=patient(20))
        finally:
            agent._ending = True
            agent._wake.set()
            keeper.join()
        hears.setblocking(False)
        if alive:
            assert hears.recv(100) == b"WATCHDOG=1"
        else:
            with pytest.raises(BlockingIOError):
                hears.recv(100)
