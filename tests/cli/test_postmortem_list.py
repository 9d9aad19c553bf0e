"""The list of `sigtrace postmortem`: worst first, and what is alike once."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from sigtrace.cli import cli
from sigtrace.events.container import Container
from sigtrace.recording.schema import NAMESPACES, container_row
from tests.builders.recordings import UTC, Made
from tests.builders.stories import NSID, SECOND, stop


def _web(number: int, image: str = "shop/web:2.1") -> Container:
    return Container(f"{number:064x}", f"web-{number}", "docker", image)


def _list(*words: str) -> list[str]:
    return CliRunner().invoke(cli, ["postmortem", *words]).output.splitlines()


@pytest.fixture
def directory(tmp_path: Path) -> str:
    """Seven containers of one image that hung alike, one of another, and three namespaces that were stopped at once."""
    made = Made(tmp_path / "one")
    homes = [*map(_web, range(1, 8)), _web(8, "shop/cart:1"), None, None, None]
    for number, container in enumerate(homes):
        nsid, start, grace = NSID + number, 100 * (number + 1), 10 + number if container else 0
        about = {
            "time": UTC,
            "nsid": nsid,
            "ns_start": start * SECOND,
            "ns_level": 1,
            "init_pid": 5000 + number,
        }
        born = {**about, "born": UTC + start * SECOND, **container_row(container)}
        made.writer.rows("namespaces", NAMESPACES, [born])
        records = stop(nsid, 5000 + number, start * SECOND, grace or 1)
        made.add(*(records if container else records[1:]))
    made.close()
    return str(tmp_path / "one")


def test_containers_of_one_image_that_hung_alike_are_one_entry_the_worst_first(directory: str) -> None:
    assert _list(directory) == [
        "NAMESPACE  CONTAINER          ASKED   OUTCOME              WHY",
        "4026532256 web-8              TERM    killed after 17 s    dropped-at-generate",
        "4026532255 web-7              TERM    killed after 16 s    dropped-at-generate",
        "           7 containers of shop/web:2.1: web-7, web-6, web-5, web-4 and 3 more",
        "4026532257 app[5008]          KILL    killed after 0 s     -",
        "           3 namespaces of app: app[5008], app[5009], app[5010]",
        "",
        "11 PID namespaces, 8 with findings.",
    ]


def test_verbose_lists_each(directory: str) -> None:
    lines = _list(directory, "--verbose")
    assert [line.split()[1] for line in lines[1:9]] == [f"web-{number}" for number in range(8, 0, -1)]
    assert len(lines) == 1 + 11 + 2


def test_the_list_fits_into_80_columns(directory: str) -> None:
    assert max(map(len, _list(directory))) < 80
