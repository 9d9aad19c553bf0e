"""The agent on the live kernel: what a scrape says of real stops, how it is told to reload and to end, its health."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import sigtrace
from sigtrace.agent.settings import as_toml
from sigtrace.lab.stage import Stage
from tests.agents import agent
from tests.containers import dockerlike
from tests.patience import until
from tests.receiver import receiving

pytestmark = pytest.mark.kernel

_TERM_TO_IT = "import os, sys; [os.kill(int(sys.argv[1]), 15) for _ in range(int(sys.argv[2]))]"


@pytest.fixture
def stage() -> Iterator[Stage]:
    with Stage() as opened:
        yield opened


def test_a_container_that_hangs_is_seen_while_it_hangs_and_when_it_ended(
    tmp_path: Path, stage: Stage
) -> None:
    init = stage.namespace().init
    init("name('app')")
    with (
        dockerlike(init.pid, name="web-1", image="nginx:1.25") as web,
        agent(tmp_path, env=web.env) as running,
    ):
        who = {"container": "web-1", "image": "nginx:1.25", "runtime": "docker"}
        until(lambda: running.value("sigtrace_container_would_hang", **who))
        before = time.time()
        for _ in range(3):
            os.kill(init.pid, signal.SIGTERM)
        until(lambda: running.value("sigtrace_signals_dropped_total", signal="SIGTERM", **who) == 3)
        asked = "sigtrace_stop_pending_since_timestamp_seconds"
        until(lambda: running.value(asked, dropped="true", **who))
        since = running.value(asked, dropped="true", signal="SIGTERM", asked_by="other", **who)
        assert since is not None
        assert before - 1 <= since <= time.time()
        os.kill(init.pid, signal.SIGKILL)
        until(lambda: running.value(asked, **who) is None)
        until(lambda: running.value("sigtrace_stops_killed_total", **who) == 1)
        assert (running.value("sigtrace_stop_duration_seconds_count", asked_by="other") or 0) >= 1
        assert running.end() == 0
    (stop,) = sigtrace.open(tmp_path / "made").stops(container="web-1").itertuples()
    assert stop.killed


def test_a_webhook_is_told_of_a_container_that_hangs_and_when_it_has_ended(
    tmp_path: Path, stage: Stage
) -> None:
    init = stage.namespace().init
    init("name('app')")
    with (
        dockerlike(init.pid, name="web-1") as web,
        receiving() as receiver,
        agent(tmp_path, f'[webhook]\nurl = "{receiver.url}"\n', env=web.env),
    ):
        os.kill(init.pid, signal.SIGTERM)
        while (told := receiver.next())["container_name"] != "web-1":
            pass
        assert (told["finding"], told["status"]) == ("stop-signal-dropped", "firing")
        assert told["advice"] == "`sigtrace explain web-1` says how to fix it"
        os.kill(init.pid, signal.SIGKILL)
        while (told := receiver.next())["container_name"] != "web-1":
            pass
        assert told["status"] == "resolved"


def test_counters_are_the_kernels_counts_in_a_storm(tmp_path: Path, stage: Stage) -> None:
    init = stage.namespace().init
    init("name('app')")
    with (
        dockerlike(init.pid, name="busy") as web,
        agent(tmp_path, env=web.env) as running,
    ):
        until(lambda: running.value("sigtrace_scan_timestamp_seconds"))
        for _ in range(2):
            subprocess.run(["python3", "-c", _TERM_TO_IT, str(init.pid), "20011"], check=True)
        until(lambda: running.value("sigtrace_signals_dropped_total", container="busy") == 40022)
        assert running.metrics()["sigtrace_events_thinned_total", frozenset()] > 0
        assert running.value("sigtrace_records_lost_total") == 0


def test_it_tells_the_service_manager_how_it_is(tmp_path: Path) -> None:
    with agent(tmp_path, env={"WATCHDOG_USEC": "600000"}) as running:
        heard = [running.notified.recv(300).decode() for _ in range(4)]
        assert heard[0].startswith("READY=1\nSTATUS=recording into")
        assert heard[1:] == ["WATCHDOG=1"] * 3
        assert running.end() == 0
        while (last := running.notified.recv(300).decode()) == "WATCHDOG=1":
            pass
        assert last == "STOPPING=1"


def test_a_changed_configuration_takes_effect_and_a_bad_one_is_refused(tmp_path: Path) -> None:
    with agent(tmp_path) as running:
        text = running.config.read_text()
        running.config.write_text(text + '[log]\nformat = "json"\n')
        running.process.send_signal(signal.SIGHUP)
        running.says('"message": "the configuration was loaded again"')
        running.config.write_text(text + "[log]\nformat = 7\n")
        running.process.send_signal(signal.SIGHUP)
        assert running.process.stderr is not None
        said = json.loads(running.process.stderr.readline())
        assert said["level"] == "error"
        assert re.search(r"agent\.toml, line 6: log\.format: 7 is none of text, json$", said["message"])
        assert running.value("sigtrace_config_last_reload_successful") == 0
        running.config.write_text(text)
        running.process.send_signal(signal.SIGHUP)
        running.says("loaded again")
        assert running.value("sigtrace_config_last_reload_successful") == 1


def test_the_server_moves_and_stays_where_it_is_if_it_cannot(tmp_path: Path) -> None:
    with agent(tmp_path) as running, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        text = running.config.read_text()
        running.config.write_text(text.replace(str(running.port), str(taken.getsockname()[1])))
        running.process.send_signal(signal.SIGHUP)
        running.says("cannot listen on")
        assert running.value("sigtrace_config_last_reload_successful") == 0
        taken.close()
        running.process.send_signal(signal.SIGHUP)
        running.says("loaded again")
        running.port = int(re.findall(r":(\d+)", running.config.read_text())[0])
        assert running.value("sigtrace_config_last_reload_successful") == 1


def test_what_it_still_needs_is_all_that_it_keeps(tmp_path: Path) -> None:
    with agent(tmp_path) as running:
        for status in Path(f"/proc/{running.process.pid}/task").glob("*/status"):
            fields = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
            assert int(fields["CapEff"], 16) == 1 << 2 | 1 << 19, (
                status
            )  # CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE
            assert fields["NoNewPrivs"] == "1"


def test_it_loads_no_pandas(tmp_path: Path) -> None:
    with agent(tmp_path) as running:
        until(lambda: running.value("sigtrace_scan_timestamp_seconds"))
        assert "/pandas/" not in Path(f"/proc/{running.process.pid}/maps").read_text()


def test_the_page_names_every_metric_and_has_all_settings(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "agent.md").read_text()
    with agent(tmp_path) as running:
        names = {re.sub("_(bucket|count|sum)$", "", name) for name, _ in running.metrics()}
    assert [name for name in names if not name.startswith("process_") and f"`{name}`" not in page] == []
    assert "\n".join(as_toml()).rstrip() in page
