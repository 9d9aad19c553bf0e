"""Things that are due later: in the order of their moments, by a clock that the test moves."""

from __future__ import annotations

import threading

from sigtrace.due import DueQueue


class Clock:
    """Stands still, or moves by a step at each look."""

    def __init__(self, step: float = 0) -> None:
        self.now, self.step = 100.0, step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


def test_things_come_in_the_order_of_their_moments_whenever_they_were_put() -> None:
    clock = Clock()
    queue: DueQueue[str] = DueQueue(clock)
    for thing, delay in (("third", 3.0), ("first", 1.0), ("second", 2.0)):
        queue.put(thing, delay)
    clock.now += 3
    assert [queue.take() for _ in range(3)] == ["first", "second", "third"]


def test_of_two_for_one_moment_the_first_put_is_the_first_taken_whatever_they_are() -> None:
    queue: DueQueue[object] = DueQueue(Clock())
    things = [{"not": "ordered"}, object(), {"nor": "hashable"}]
    for thing in things:
        queue.put(thing)
    assert [queue.take() for _ in things] == things


def test_nothing_is_handed_out_before_its_moment() -> None:
    clock = Clock(step=0.001)
    queue: DueQueue[str] = DueQueue(clock)
    queue.put("later", 0.05)
    put = clock.now
    assert queue.take() == "later"
    assert clock.now >= put + 0.05


def test_what_is_due_later_is_not_overdue() -> None:
    clock = Clock()
    queue: DueQueue[str] = DueQueue(clock)
    for thing, delay in (("now", 0.0), ("soon", 1.0), ("later", 2.0)):
        queue.put(thing, delay)
    assert queue.overdue() == 1
    clock.now += 1
    assert queue.overdue() == 2


def test_who_waits_is_woken_by_what_is_due_earlier() -> None:
    queue: DueQueue[str] = DueQueue(Clock())
    queue.put("in an hour", 3600)
    taken: list[str | None] = []
    waiting = threading.Thread(target=lambda: taken.append(queue.take()), daemon=True)
    waiting.start()
    queue.put("now")
    waiting.join()
    assert taken == ["now"]
    assert len(queue) == 1


def test_a_closed_queue_hands_out_what_is_due_and_waits_for_nothing_else() -> None:
    queue: DueQueue[str] = DueQueue(Clock())
    queue.put("in an hour", 3600)
    queue.put("now")
    queue.close()
    queue.put("too late")
    assert [queue.take(), queue.take()] == ["now", None]


def test_closing_wakes_whoever_waits() -> None:
    queue: DueQueue[str] = DueQueue(Clock())
    taken: list[str | None] = ["not yet"]
    waiting = threading.Thread(target=lambda: taken.append(queue.take()), daemon=True)
    waiting.start()
    queue.close()
    queue.close()
    waiting.join()
    assert taken == ["not yet", None]


def test_what_was_put_can_be_discarded_at_the_end() -> None:
    queue: DueQueue[str] = DueQueue(Clock())
    queue.put("now")
    queue.close(discard=True)
    assert queue.take() is None


def test_threads_may_put_at_the_same_time_and_nothing_is_lost() -> None:
    queue: DueQueue[int] = DueQueue(Clock())
    threads = [
        threading.Thread(target=lambda first=first: [queue.put(each) for each in range(first, first + 500)])
        for first in range(0, 4000, 500)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    queue.close()
    assert sorted(iter(queue.take, None)) == list(range(4000))
