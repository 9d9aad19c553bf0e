"""What sigtrace claims of containers, once for every runtime: a test class inherits `Claims` and names its driver.

What became of a process is observed without sigtrace: its exit status, /proc, and the test's own clock.
"""

from __future__ import annotations

from typing import Any

import pytest

import sigtrace
from tests.runtimes import scenario
from tests.runtimes.runtime import HANDLED, Runtime
from tests.runtimes.scenario import Row, Scenario, ask


@pytest.mark.kernel
@pytest.mark.runtimes
class Claims:
    """Subclass with `driver` set."""

    driver: type[Runtime]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """The scenario runs once for each layout of control groups."""
        metafunc.parametrize("ran", self.driver.layouts, indirect=True, scope="class")
        if "init" in metafunc.fixturenames:
            inits = [init for init in scenario.INITS if init != scenario.OWN_INIT or self.driver.own_init]
            metafunc.parametrize("init", inits)

    # --- stops --------------------------------------------------------------------------------------------

    def test_a_stop_of_an_init_without_a_handler_takes_the_whole_grace_period(self, ran: Scenario) -> None:
        stopped = ran[scenario.PLAIN].stopped
        assert stopped
        assert ran.runtime.grace <= stopped.seconds
        assert stopped.exit_code in (None, 137)

    def test_the_dropped_request_is_recorded_under_the_containers_name(self, ran: Scenario) -> None:
        (drop,) = self.drops(ran, scenario.PLAIN, ran.runtime.default_stop)
        assert self.named(ran, drop) == scenario.PLAIN
        assert drop["container_id"] == self.running(ran, scenario.PLAIN).id
        assert drop["runtime"] == ran.runtime.called
        assert drop["image"] == ran.runtime.image

    def test_the_request_is_attributed_to_the_runtime(self, ran: Scenario) -> None:
        (drop,) = self.drops(ran, scenario.PLAIN, ran.runtime.default_stop)
        assert drop["sender_comm"] in ran.runtime.senders
        assert drop["relation"] == "ancestor"

    def test_a_stop_with_a_handler_works_at_once_and_nothing_is_dropped(self, ran: Scenario) -> None:
        stopped = ran[scenario.TRAP].stopped
        assert stopped
        assert stopped.seconds < ran.runtime.grace
        assert stopped.exit_code in (None, HANDLED)
        assert self.drops(ran, scenario.TRAP) == []

    def test_a_stop_with_a_small_init_works_at_once_and_nothing_is_dropped(
        self, ran: Scenario, init: str
    ) -> None:
        if not ran.has_init(init):
            pytest.skip(f"no {init.removeprefix('web-')} with {ran.runtime.name} here")
        stopped = ran[init].stopped
        assert stopped
        assert stopped.seconds < ran.runtime.grace
        assert stopped.exit_code in (None, 143)
        assert self.drops(ran, init) == []

    def test_a_stop_signal_of_the_containers_own_is_the_one_that_is_sent(self, ran: Scenario) -> None:
        stopped = ran[scenario.OWN_SIGNAL].stopped
        assert stopped
        assert stopped.seconds < ran.runtime.grace
        assert stopped.exit_code in (None, HANDLED)
        assert self.drops(ran, scenario.OWN_SIGNAL) == []

    def test_the_postmortem_names_the_causes_and_the_container(self, ran: Scenario) -> None:
        found = ask(ran.runtime.host, "postmortem", ran.all, *ran.runtime.choice(scenario.PLAIN))
        assert {finding["cause"] for finding in found} == {"dropped-at-generate", "kill-from-inside"}
        assert {self.named(ran, finding) for finding in found} == {scenario.PLAIN}

    def test_the_postmortem_tells_who_asked_for_the_stop_and_how_long_it_took(self, ran: Scenario) -> None:
        finding, *_ = ask(ran.runtime.host, "postmortem", ran.all, *ran.runtime.choice(scenario.PLAIN))
        told, stopped = finding["stop"], ran[scenario.PLAIN].stopped
        assert stopped
        assert told["by"].partition("[")[0] == ran.runtime.asker
        assert told["signal"] == ran.runtime.default_stop
        assert told["killed"] is True
        assert ran.runtime.grace - 0.1 < told["grace_seconds"] <= told["seconds"] <= stopped.seconds

    # --- who is who ---------------------------------------------------------------------------------------

    def test_scan_names_containers_and_images_and_foretells_the_stop(self, ran: Scenario) -> None:
        row = ran[scenario.PLAIN].scanned
        assert self.named(ran, row) == scenario.PLAIN
        assert row["image"] == ran.runtime.image
        assert row["verdict"] == "waits for KILL"
        assert ran[scenario.TRAP].scanned["verdict"] != "waits for KILL"  # a shell's trap waits for its child

    def test_scan_judges_a_stop_signal_of_the_containers_own(self, ran: Scenario) -> None:
        row = ran[scenario.OWN_SIGNAL].scanned
        assert row["stop_signal"] == "SIGQUIT"
        assert row["stop_signal_from"] == "container"
        assert row["verdict"] != "waits for KILL"

    def test_an_agent_that_has_the_hosts_files_elsewhere_knows_as_much(self, ran: Scenario) -> None:
        inside, outside = ran[scenario.OWN_SIGNAL].scanned, ran[scenario.OWN_SIGNAL].scanned_outside
        assert self.named(ran, outside) == scenario.OWN_SIGNAL
        same = ("container_id", "image", "runtime", "stop_signal", "stop_signal_from")
        assert [outside[column] for column in same] == [inside[column] for column in same]

    def test_a_container_that_lives_30_ms_is_named(self, ran: Scenario) -> None:
        assert ran[scenario.BRIEF]
        rows = sigtrace.open(ran.all).namespaces().to_dict("records")
        assert scenario.BRIEF in {self.named(ran, row) for row in rows}

    def test_a_container_that_starts_later_is_matched_and_nothing_else(self, ran: Scenario) -> None:
        assert ran[scenario.LATE].stopped
        assert ran[scenario.WATCH]
        late = ran.watched[-1]
        assert [self.named(ran, row) for row in ran.watched if row is not late] == [scenario.BRIEF]
        assert (self.named(ran, late), late["signal_name"]) == (scenario.LATE, ran.runtime.default_stop)
        assert late["nsid"] == self.running(ran, scenario.LATE).nsid

    def test_a_container_that_is_waited_for_and_lives_30_ms_is_seen(self, ran: Scenario) -> None:
        assert ran[scenario.BRIEF]
        brief = ran.watched[0]
        assert (self.named(ran, brief), brief["signal_name"]) == (scenario.BRIEF, "SIGTERM")

    def test_a_recording_of_one_container_has_only_that_one(self, ran: Scenario) -> None:
        assert ran[scenario.ONE]
        events = sigtrace.open(ran.one).events()
        assert set(events["nsid"]) == {self.running(ran, scenario.PLAIN).nsid}
        rows = ask(ran.runtime.host, "summary", ran.one, *ran.runtime.choice(scenario.PLAIN))
        assert {self.named(ran, row) for row in rows[:-1]} == {scenario.PLAIN}
        assert rows[-1]["stops_killed"] == 1

    # --- from inside --------------------------------------------------------------------------------------

    def test_kill_9_1_from_inside_is_dropped_and_seen_as_from_inside(self, ran: Scenario) -> None:
        noted = ran[scenario.PLAIN].noted
        assert (noted["kill"], noted["lives"]) == (0, True)
        (drop,) = self.drops(ran, scenario.PLAIN, "SIGKILL")
        assert drop["relation"] == "same"
        assert self.named(ran, drop) == scenario.PLAIN

    def test_a_drop_for_the_init_of_a_namespace_inside_a_container_is_seen(self, ran: Scenario) -> None:
        noted = ran[scenario.NESTED].noted
        assert (noted["kill"], noted["lives"]) == (0, True)
        (drop,) = [row for row in self.events(ran, noted["pid"]) if row["verdict"] == "dropped_at_generate"]
        assert (drop["signal_name"], drop["target_pid"]) == ("SIGTERM", noted["pid"])
        assert self.named(ran, drop) == scenario.NESTED

    def test_a_cgroup_that_is_called_like_another_containers_does_not_pass_for_it(
        self, ran: Scenario
    ) -> None:
        row = ran[scenario.IMPOSTOR].scanned
        assert self.running(ran, scenario.PLAIN).nsid in ran[scenario.IMPOSTOR].noted["chosen"]
        assert row["nsid"] not in ran[scenario.IMPOSTOR].noted["chosen"]
        assert self.named(ran, row) == scenario.NESTED
        assert row["container_nested"] is True
        if self.driver.told_by_cgroup:
            assert row["container_claims"]

    # --- helpers ------------------------------------------------------------------------------------------

    def running(self, ran: Scenario, name: str) -> Any:
        """The container of that name, as it ran."""
        assert ran[name].running
        return ran[name].running

    def named(self, ran: Scenario, row: Row) -> str:
        """The container of the scenario that a row is of, by the names in its columns; empty for any other."""
        for name in scenario.NAMES:
            known = ran.runtime.known_as(name)
            if all(row.get(column, text) == text for column, text in known.items()):
                return name
        return ""

    def events(self, ran: Scenario, init: int) -> list[Row]:
        """What the recording of everything has of signals to an init."""
        events = sigtrace.open(ran.all).events()
        return events[events["target_pid"] == init].to_dict("records")

    def drops(self, ran: Scenario, name: str, signal: str | None = None) -> list[Row]:
        """What was dropped for a container's init, of one signal or all."""
        rows = self.events(ran, self.running(ran, name).init_pid)
        dropped = [row for row in rows if row["verdict"].startswith("dropped")]
        return [row for row in dropped if signal is None or row["signal_name"] == signal]


class ClaimsOfItsInit(Claims):
    """The same for a runtime that has an init of its own, as `docker run --init`."""

    def test_the_postmortem_follows_the_request_to_the_child_of_the_runtimes_own_init(
        self, ran: Scenario
    ) -> None:
        deaf = ran[scenario.DEAF]
        assert deaf.stopped
        assert ran.runtime.grace <= deaf.stopped.seconds
        (finding,) = ask(ran.runtime.host, "postmortem", ran.all, *ran.runtime.choice(scenario.DEAF))
        assert (finding["cause"], finding["severity"]) == ("ignored-by-program", "error")
        init, child = finding["path"]
        assert init.endswith(f"[{self.running(ran, scenario.DEAF).init_pid}]")
        assert child == f"sleep[{deaf.noted['pid']}]"
        assert self.named(ran, finding) == scenario.DEAF
