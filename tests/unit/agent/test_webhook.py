"""The webhook: each finding once, and once when it is over; what becomes of it if nobody takes it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from sigtrace.agent import webhook
from sigtrace.agent.findings import Finding
from sigtrace.agent.settings import Webhook
from sigtrace.agent.webhook import Sender
from sigtrace.events.nskey import NsKey
from tests.patience import patient, until
from tests.receiver import Receiver, receiving


def finding(inode: int) -> Finding:
    return Finding("stop-hangs", NsKey(inode, 1), 100.0, None, f"{inode} hangs", "a cause", "advice")


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setattr(webhook, "_PAUSES", (0.01, 0.01, 0.01))
    with receiving() as made:
        yield made


def test_a_finding_is_told_once_and_once_when_it_is_over(receiver: Receiver) -> None:
    sender = Sender(Webhook(url=receiver.url, token="secret"))
    for found in ([finding(7)], [finding(7)], [finding(7), finding(8)], [finding(8)], []):
        sender.update(found)
    messages = [receiver.got.get(timeout=patient(20)) for _ in range(4)]
    assert [(each["nsid"], each["status"]) for each, _ in messages] == [
        *((7, "firing"), (8, "firing"), (7, "resolved"), (8, "resolved"))
    ]
    assert {authorization for _, authorization in messages} == {"Bearer secret"}
    sender.close(patient(5))
    assert receiver.got.empty()
    assert sender.lost == 0


def test_a_receiver_that_fails_is_asked_again(receiver: Receiver) -> None:
    receiver.codes = [500, 429, 503]
    sender = Sender(Webhook(url=receiver.url))
    sender.update([finding(7)])
    assert [receiver.next()["nsid"] for _ in range(4)] == [7] * 4
    sender.close(patient(5))
    assert sender.lost == 0


@pytest.mark.parametrize("code", [400, 404, 302])
def test_what_a_receiver_refuses_is_counted_and_not_sent_again(receiver: Receiver, code: int) -> None:
    receiver.codes = [code]
    sender = Sender(Webhook(url=receiver.url))
    sender.update([finding(7)])
    receiver.next()
    until(lambda: sender.lost == 1)
    sender.close(patient(5))
    assert receiver.got.empty()


def test_nobody_there_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "_PAUSES", (0.01,))
    with receiving() as receiver:
        url = receiver.url
    sender = Sender(Webhook(url=url))
    sender.update([finding(7)])
    until(lambda: sender.lost == 1)
    sender.close(patient(5))


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "_WAITING", 10)
    monkeypatch.setattr(Sender, "_send", lambda self, message: threading.Event().wait(patient(60)))
    sender = Sender(Webhook(url="http://127.0.0.1:9/"))
    sender.update([finding(inode) for inode in range(1, 101)])
    assert 100 - 10 - 1 <= sender.lost <= 100 - 10
    sender.close(0)
