"""Containers of one image that hung alike are one entry of the report, on a recording of a real night."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.builders.pages import Element, parsed, words
from tests.builders.reports import report, rows

FLEET = Path(__file__).parents[3] / "notebooks" / "recordings" / "fleet"


@pytest.fixture(scope="module")
def fleet() -> Element:
    return parsed(report(*sorted(FLEET.iterdir())))


def test_containers_of_one_image_that_hung_alike_are_one_entry(fleet: Element) -> None:
    entries = fleet.one("section", class_="verdict").all("li")
    names = [each.all("b")[0].text for each in entries]
    assert names[:3] == [
        f"{n} containers of shop/{image}" for n, image in ((6, "worker:1.4"), (5, "web:2.1"), (2, "cron:1.0"))
    ]
    assert "killed after 10.11 s to 10.13 s. web-5: SIGTERM went to the shell" in words(entries[1])
    assert 'To do: PID 1 is a shell: use the exec form, ENTRYPOINT ["program"]' in words(entries[1])


def test_an_entry_opens_to_all_that_it_stands_for(fleet: Element) -> None:
    entry = fleet.one("section", class_="verdict").all("li")[1]
    which = entry.one("details").all("a")
    assert sorted(each.text for each in which) == [f"web-{n}" for n in range(1, 6)]
    targets = {each.attributes["id"] for each in fleet.all("section", class_="namespace")}
    assert {each.attributes["href"][1:] for each in which} <= targets


def test_the_first_of_a_group_is_told_at_once_and_the_others_when_asked_for(fleet: Element) -> None:
    folded = fleet.all("details", class_="alike")
    hidden = {each.attributes["id"] for group in folded for each in group.all("section", class_="namespace")}
    told = [each.attributes["id"] for each in fleet.all("section", class_="namespace")]
    assert [each for each in told if each not in hidden] == ["ns-1", "ns-4", "ns-8", "ns-14"]
    assert words(folded[-1].all("summary")[0]) == "13 namespaces without a finding"


def test_every_namespace_is_in_one_group_and_in_the_table(fleet: Element) -> None:
    assert [row["Rank"] for row in rows(fleet, "by the worst finding")] == [str(n) for n in range(1, 31)]
    assert len(fleet.all("section", class_="namespace")) == 30
