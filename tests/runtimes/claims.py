"""What sigtrace claims of containers, once for every runtime: a test class inherits `Claims` and names its driver.

What became of a process is observed without sigtrace: its exit status, /proc, and the test's own clock.
"""

from __future__ import annotations

from typing import Any

import pytest

import sigtrace
from tests.runtimes import play
from tests.runtimes.play import Play, Row, ask
from tests.runtimes.runtime import HANDLED, Runtime


@pytest.mark.kernel
@pytest.mark.runtimes
class Claims:
    """Subclass with `driver` set."""

    driver: type[Runtime]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Everything is played once for each layout of control groups."""
        metafunc.parametrize("played", self.driver.layouts, indirect=True, scope="class")
        if "init" in metafunc.fixturenames:
            inits = [init for init in play.INITS if init != play.OWN_INIT or self.driver.own_init]
            metafunc.parametrize("init", inits)

    # --- stops --------------------------------------------------------------------------------------------

    def test_a_stop_of_an_init_without_a_handler_takes_the_whole_grace_period(self, played: Play) -> None:
        stopped = played[play.PLAIN].stopped
        assert stopped
        assert played.runtime.grace <= stopped.seconds
        assert stopped.exit_code in (None, 137)

    def test_the_dropped_request_is_recorded_under_the_containers_name(self, played: Play) -> None:
        (drop,) = self.drops(played, play.PLAIN, played.runtime.default_stop)
        assert self.named(played, drop) == play.PLAIN
        assert drop["container_id"] == self.running(played, play.PLAIN).id
        assert drop["runtime"] == played.runtime.called
        assert drop["image"] == played.runtime.image

    def test_the_request_is_attributed_to_the_runtime(self, played: Play) -> None:
        (drop,) = self.drops(played, play.PLAIN, played.runtime.default_stop)
        assert drop["sender_comm"] in played.runtime.senders
        assert drop["relation"] == "ancestor"

    def test_a_stop_with_a_handler_works_at_once_and_nothing_is_dropped(self, played: Play) -> None:
        stopped = played[play.TRAP].stopped
        assert stopped
        assert stopped.seconds < played.runtime.grace
        assert stopped.exit_code in (None, HANDLED)
        assert self.drops(played, play.TRAP) == []

    def test_a_stop_with_a_small_init_works_at_once_and_nothing_is_dropped(
        self, played: Play, init: str
    ) -> None:
        if not played.has_init(init):
            pytest.skip(f"no {init.removeprefix('web-')} with {played.runtime.name} here")
        stopped = played[init].stopped
        assert stopped
        assert stopped.seconds < played.runtime.grace
        assert stopped.exit_code in (None, 143)
        assert self.drops(played, init) == []

    def test_a_stop_signal_of_the_containers_own_is_the_one_that_is_sent(self, played: Play) -> None:
        stopped = played[play.OWN_SIGNAL].stopped
        assert stopped
        assert stopped.seconds < played.runtime.grace
        assert stopped.exit_code in (None, HANDLED)
        assert self.drops(played, play.OWN_SIGNAL) == []

    def test_the_postmortem_names_the_causes_and_the_container(self, played: Play) -> None:
        found = ask(played.runtime.host, "postmortem", played.all, *played.runtime.choice(play.PLAIN))
        assert {finding["cause"] for finding in found} == {"dropped-at-generate", "kill-from-inside"}
        assert {self.named(played, finding) for finding in found} == {play.PLAIN}

    def test_the_postmortem_tells_who_asked_for_the_stop_and_how_long_it_took(self, played: Play) -> None:
        finding, *_ = ask(played.runtime.host, "postmortem", played.all, *played.runtime.choice(play.PLAIN))
        told, stopped = finding["stop"], played[play.PLAIN].stopped
        assert stopped
        assert told["by"].partition("[")[0] == played.runtime.asker
        assert told["signal"] == played.runtime.default_stop
        assert told["killed"] is True
        assert played.runtime.grace - 0.1 < told["grace_seconds"] <= told["seconds"] <= stopped.seconds

    # --- who is who ---------------------------------------------------------------------------------------

    def test_scan_names_containers_and_images_and_foretells_the_stop(self, played: Play) -> None:
        row = played[play.PLAIN].scanned
        assert self.named(played, row) == play.PLAIN
        assert row["image"] == played.runtime.image
        assert row["verdict"] == "waits for KILL"
        assert played[play.TRAP].scanned["verdict"] != "waits for KILL"  # a shell's trap waits for its child

    def test_scan_judges_a_stop_signal_of_the_containers_own(self, played: Play) -> None:
        row = played[play.OWN_SIGNAL].scanned
        assert row["stop_signal"] == "SIGQUIT"
        assert row["stop_signal_from"] == "container"
        assert row["verdict"] != "waits for KILL"

    def test_an_agent_that_has_the_hosts_files_elsewhere_knows_as_much(self, played: Play) -> None:
        inside, outside = played[play.OWN_SIGNAL].scanned, played[play.OWN_SIGNAL].scanned_outside
        assert self.named(played, outside) == play.OWN_SIGNAL
        same = ("container_id", "image", "runtime", "stop_signal", "stop_signal_from")
        assert [outside[column] for column in same] == [inside[column] for column in same]

    def test_a_container_that_lives_50_ms_is_named(self, played: Play) -> None:
        assert played[play.BRIEF]
        rows = sigtrace.open(played.all).namespaces().to_dict("records")
        assert play.BRIEF in {self.named(played, row) for row in rows}

    def test_a_container_that_starts_later_is_matched_and_nothing_else(self, played: Play) -> None:
        assert played[play.LATE].stopped
        assert played[play.WATCH]
        assert [row["signal_name"] for row in played.watched] == [played.runtime.default_stop]
        assert self.named(played, played.watched[0]) == play.LATE
        assert played.watched[0]["nsid"] == self.running(played, play.LATE).nsid

    def test_a_recording_of_one_container_has_only_that_one(self, played: Play) -> None:
        assert played[play.ONE]
        events = sigtrace.open(played.one).events()
        assert set(events["nsid"]) == {self.running(played, play.PLAIN).nsid}
        rows = ask(played.runtime.host, "summary", played.one, *played.runtime.choice(play.PLAIN))
        assert {self.named(played, row) for row in rows[:-1]} == {play.PLAIN}
        assert rows[-1]["stops_killed"] == 1

    # --- from inside --------------------------------------------------------------------------------------

    def test_kill_9_1_from_inside_is_dropped_and_seen_as_from_inside(self, played: Play) -> None:
        noted = played[play.PLAIN].noted
        assert (noted["kill"], noted["lives"]) == (0, True)
        (drop,) = self.drops(played, play.PLAIN, "SIGKILL")
        assert drop["relation"] == "same"
        assert self.named(played, drop) == play.PLAIN

    def test_a_drop_for_the_init_of_a_namespace_inside_a_container_is_seen(self, played: Play) -> None:
        noted = played[play.NESTED].noted
        assert (noted["kill"], noted["lives"]) == (0, True)
        (drop,) = [
            row for row in self.events(played, noted["pid"]) if row["verdict"] == "dropped_at_generate"
        ]
        assert (drop["signal_name"], drop["target_pid"]) == ("SIGTERM", noted["pid"])
        assert self.named(played, drop) == play.NESTED

    # --- helpers ------------------------------------------------------------------------------------------

    def running(self, played: Play, name: str) -> Any:
        """The container of that name, as it ran."""
        assert played[name].running
        return played[name].running

    def named(self, played: Play, row: Row) -> str:
        """Which of the play's containers a row is of, by what its columns call it; empty for any other."""
        for name in play.NAMES:
            known = played.runtime.known_as(name)
            if all(row.get(column, text) == text for column, text in known.items()):
                return name
        return ""

    def events(self, played: Play, init: int) -> list[Row]:
        """What the recording of everything has of signals to an init."""
        events = sigtrace.open(played.all).events()
        return events[events["target_pid"] == init].to_dict("records")

    def drops(self, played: Play, name: str, signal: str | None = None) -> list[Row]:
        """What was dropped for a container's init, of one signal or all."""
        rows = self.events(played, self.running(played, name).init_pid)
        dropped = [row for row in rows if row["verdict"].startswith("dropped")]
        return [row for row in dropped if signal is None or row["signal_name"] == signal]
