"""The parts of `make matrix` that need no guest: which kernel is taken, what a console tells, and the page."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.guests import cells, disk, kernels, page, results
from tests.guests.boot import Told, read
from tests.guests.cells import Cell

ARCHIVE = [
    "linux-image-5.10.0-46-cloud-amd64",
    "linux-image-6.1.0-0.deb11.52-cloud-amd64",
    "linux-image-6.1.0-9-cloud-amd64",
    "linux-image-6.1.0-56-cloud-amd64",
    "linux-image-6.1.0-56-cloud-amd64-dbg",
    "linux-image-6.1.0-57-cloud-arm64",
    "linux-image-6.12.117+deb12-cloud-amd64",
    "linux-image-6.12.118+deb13-cloud-amd64",
    "linux-image-6.12-cloud-amd64",
    "linux-image-7.3.4+deb13-cloud-amd64",
    "linux-binary-7.3.4+deb13-cloud-amd64",
    "linux-headers-7.9.9+deb13-cloud-amd64",
]


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("5.10", "linux-image-5.10.0-46-cloud-amd64"),
        ("6.1", "linux-image-6.1.0-56-cloud-amd64"),
        ("6.12", "linux-image-6.12.118+deb13-cloud-amd64"),
        ("newest", "linux-binary-7.3.4+deb13-cloud-amd64"),
    ],
)
def test_the_newest_kernel_of_a_series_is_taken(name: str, package: str) -> None:
    assert kernels.newest(name, "amd64", ARCHIVE) == package


def test_a_series_that_is_not_in_the_archive_is_told() -> None:
    with pytest.raises(kernels.NotInArchive, match=r"no kernel 6.16 for amd64"):
        kernels.newest("6.16", "amd64", ARCHIVE)


CONSOLE = """[    1.0] noise
@guest {"release": "6.1.0-56-cloud-amd64"}\r
@guest {"step": "attach", "passed": 1, "failed": 0, "seconds": 1.5, "said": "built", "method": "btf"}\r
not for the host: @guest {"step": "x"}
@guest {"step": "truth", "passed": 3, "failed": 1, "seconds": 9, "said": "test_x", "method": "btf"}
@guest {"lacks": "this kernel has no raw tracepoints.", "method": "raw"}
"""
END = '@guest {"done": true}\n'


def test_a_console_is_read_for_what_is_meant_for_the_host() -> None:
    told = read(CONSOLE + END, 12.3)
    assert (told.complete, told.seconds, told.release) == (True, 12, "6.1.0-56-cloud-amd64")
    assert [line.get("step") for line in told.lines] == ["attach", "truth", None]
    assert list(results.failures(results.with_end(told))) == ["btf truth: test_x"]


def test_a_guest_that_does_not_come_to_its_end_has_failed() -> None:
    for console in ("", CONSOLE):
        assert results.with_end(read(console, 1))[-1]["failed"] == 1


def kept(console: str) -> results.Results:
    found: results.Results = {"methods": {}, "conditions": {}}
    results.keep(found, Cell("6.1", "amd64", "methods", "usual"), read(console, 1))
    return found


def test_the_page_shows_what_passed_what_failed_what_is_lacking_and_what_was_not_run() -> None:
    text = page.written("<!-- kernels: methods -->\nold\n<!-- end of kernels -->\n", kept(CONSOLE + END))
    rows = {tuple(line.split(" | ")[:3]): line for line in text.splitlines() if line.startswith("| ")}
    assert "old" not in text
    assert " | 1 passed | 3 passed | 1: truth | 10 | " in rows["| 6.1.0-56", "amd64", "btf"]
    assert "this kernel has no raw tracepoints" in rows["| 6.1.0-56", "amd64", "raw"]
    assert " | not run | " in rows["| 6.12", "amd64", "btf"]


def test_conditions_that_are_booted_alike_share_a_guest_and_are_kept_apart() -> None:
    (first,) = [cell for cell in cells.conditions("amd64", ("5.10",)) if not cell.parameters]
    assert first.of == "memlock,cgroup-v2"
    found: results.Results = {"methods": {}, "conditions": {}}
    line = {
        "step": "watch",
        "passed": 1,
        "failed": 0,
        "seconds": 1,
        "said": "too low",
        "condition": "memlock",
    }
    results.keep(found, first, Told(True, 1, "5.10.0", [line]))
    assert [one["said"] for one in found["conditions"]["5.10 amd64 memlock"]["lines"]] == ["too low"]
    assert found["conditions"]["5.10 amd64 cgroup-v2"]["lines"] == []


def test_the_page_is_written_from_the_results() -> None:
    assert page.PAGE.read_text() == page.written(page.PAGE.read_text(), results.load()), "run `make docs`"


def test_a_disk_has_its_files_behind_a_partition_table(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "file").write_text("here")
    disk.partitioned(tmp_path / "tree", tmp_path / "image")
    blob = (tmp_path / "image").read_bytes()
    assert blob[510:512] == b"\x55\xaa"
    assert (
        blob[(1 << 20) + 1080 : (1 << 20) + 1082] == b"\x53\xef"
    )  # ext4's magic number, 1 MiB from the start
    assert b"here" in blob
