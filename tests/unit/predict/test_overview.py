"""Which rows of a scan are containers, which of them are shown as one, and in which order."""

from __future__ import annotations

from dataclasses import replace

from sigtrace.events.container import Container
from sigtrace.predict.overview import Overview, overview
from sigtrace.predict.scan_row import ScanRow
from tests.builders.scan_rows import ENDING, FINE, HOST, NGINX, PLAIN, UNTOLD, WAITS, forwarding, judged

IMAGE = "shop/web:2.1"


def web(number: int, image: str = IMAGE) -> Container:
    return Container(f"{number:064x}", f"web-{number}", "docker", image, stop_signal="SIGTERM")


def names(found: Overview) -> list[list[str]]:
    return [[row.container.label if row.container else "" for row in group.rows] for group in found.listed]


def test_containers_of_one_image_with_the_same_outcome_are_one_entry_in_natural_order() -> None:
    rows = [judged((PLAIN, WAITS), web(number)) for number in (10, 2, 1)]
    rows += [judged((PLAIN, WAITS), web(3, "other:1")), judged((PLAIN, FINE), web(4))]
    assert names(overview(rows)) == [["web-1", "web-2", "web-10"], ["web-3"], ["web-4"]]


def test_the_worst_come_first() -> None:
    targets = [FINE, ENDING, UNTOLD, WAITS]
    rows = [judged((PLAIN, target), web(place, f"i:{place}")) for place, target in enumerate(targets)]
    verdicts = [row.verdict for row in overview(rows).rows]
    assert verdicts == ["waits for KILL", "can't be told", "", "stops at once"]


def test_the_pids_behind_an_init_do_not_tell_containers_apart_and_are_said_only_of_one() -> None:
    from sigtrace.containers.stop_signal import StopRequest
    from sigtrace.predict.scan_row import row

    def passing(pid: int) -> ScanRow:
        member = replace(WAITS, pid=pid, unkillable=False, ns_pid=2)
        return row(PLAIN, forwarding(member), StopRequest(container=web(pid)), 1e6)

    (one,), (both,) = overview([passing(8)]).listed, overview([passing(8), passing(9)]).listed
    assert one.why == "it passes SIGTERM to app[8], which ends on it"
    assert both.why == "it passes SIGTERM to app, which ends on it"


def test_what_is_inside_a_container_or_in_none_is_beside_and_the_host_nowhere() -> None:
    inside, outside = judged((PLAIN, WAITS), web(1), nested=True), judged((PLAIN, WAITS))
    rows = [judged(HOST), judged(NGINX, web(1)), inside, outside]
    found = overview(rows)
    assert names(found) == [["web-1"]]
    assert found.besides == (inside, outside)
    assert overview(rows, every=True).besides == ()
    assert names(overview(rows, every=True))[0] == ["web-1"]


def test_a_pods_sandbox_is_beside_unless_it_is_all_that_the_pod_has() -> None:
    def of_pod(name: str, pod: str) -> ScanRow:
        return judged(
            (PLAIN, FINE),
            Container(name.ljust(8, "0"), name, "cri-o", "", pod, "shop", "" if name == "POD" else "SIGTERM"),
        )

    found = overview([of_pod("POD", "till"), of_pod("app", "till"), of_pod("POD", "shared")])
    assert names(found) == [["shop/shared/POD", "shop/till/app"]]
    assert len(found.besides) == 1


def test_what_only_claims_to_be_a_container_is_none() -> None:
    claimed = judged((PLAIN, WAITS), Container("", "claims to be web-1", claims="web-1"))
    assert overview([claimed]).besides == (claimed,)
