"""The notebooks run from top to bottom, on this kernel and on what ships with them, and show what they tell of."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from click import Context
from jupyter_client import KernelManager
from nbclient import NotebookClient

from sigtrace.cli import cli
from sigtrace.lab.scenarios.incidents import HOSTS
from sigtrace.notebook.staged import CHOICE
from tests.patience import patient

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SHOWN = {
    "01-first-look": ["dropped_at_generate", "without-handler", "with-handler", "unkillable"],
    "02-postmortem": [
        "discarded as it was sent",
        "kill-from-inside",
        "DROPPED",
        "Nothing was found",
        "shop/web:2.2",
    ],
    "03-exploring-drops": [
        "dropped-at-generate",
        "startup-race",
        "logrotate",
        "host-a: api-1",
        "host-b: api-2",
    ],
    "04-the-kernels-rules": ["dropped_at_generate", "queued, then handled", "is killed by SIGKILL", "✓ yes"],
}
PICTURES = {"01-first-look": 2, "02-postmortem": 1, "03-exploring-drops": 4, "04-the-kernels-rules": 1}
MOST_BYTES = 300_000


def _read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


@pytest.fixture(scope="module")
def kernels() -> Iterator[dict[str, KernelManager]]:
    """A running kernel for each choice; `%reset` makes it forget one notebook before the next, but for its modules."""
    started: dict[str, KernelManager] = {}
    try:
        for choice in ("live", "shipped"):
            kernel = KernelManager(kernel_name="python3")
            env = {**os.environ, CHOICE: choice, "PYTHONPATH": str(ROOT)}
            kernel.start_kernel(cwd=str(ROOT / "notebooks"), env=env)
            started[choice] = kernel
        yield started
    finally:
        for kernel in started.values():
            kernel.shutdown_kernel()


def _executed(path: Path, kernel: KernelManager) -> Any:
    """The notebook after running it like a person would; raises if a cell fails."""
    notebook = _read(path)
    notebook.cells.insert(0, nbformat.v4.new_code_cell("%reset -f"))
    NotebookClient(notebook, km=kernel, timeout=patient(100)).execute()
    del notebook.cells[0]
    return notebook


def _outputs(notebook: Any) -> Iterator[Any]:
    for cell in notebook.cells:
        yield from cell.get("outputs", ())


def _shows(path: Path, notebook: Any) -> str:
    """What its cells show, after checking what every run of it must show."""
    data = [output.data for output in _outputs(notebook) if "data" in output]
    assert [output for output in _outputs(notebook) if output.output_type in ("error", "stream")] == []
    page = "\n".join(str(each.get("text/html", "")) for each in data)
    assert [words for words in SHOWN[path.stem] if words not in page] == []
    assert sum("image/png" in each for each in data) == PICTURES[path.stem]
    assert "✗" not in page
    return page


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_on_the_shipped_recordings(path: Path, kernels: dict[str, KernelManager]) -> None:
    page = _shows(path, _executed(path, kernels["shipped"]))
    assert "ships with the notebooks" in page
    assert {"02-postmortem": "shell-form", "03-exploring-drops": "shell-form"}.get(path.stem, "") in page


@pytest.mark.kernel
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_on_the_live_kernel(path: Path, kernels: dict[str, KernelManager]) -> None:
    page = _shows(path, _executed(path, kernels["live"]))
    assert ("Recorded just now" in page) or ("Run just now" in page)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_kept_without_outputs_and_reads_as_a_story(path: Path) -> None:
    notebook = _read(path)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.id for cell in code if cell.outputs or cell.execution_count or cell.metadata] == []
    assert set(notebook.metadata) == {"kernelspec", "language_info"}, "run `make format`"
    assert notebook.cells[0].cell_type == notebook.cells[-1].cell_type == "markdown"
    assert [cell.id for cell in code if len(cell.source.splitlines()) > 6] == []
    assert "\n## Your own " in f"\n{notebook.cells[-1].source}", "it ends with one's own recordings"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_it_tells_to_type_is_understood_and_its_links_lead_somewhere(path: Path) -> None:
    text = "\n".join(cell.source for cell in _read(path).cells if cell.cell_type == "markdown")
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S):
        for line in block.splitlines():
            name, *words = shlex.split(line.removeprefix("sudo ").removeprefix("sigtrace "), comments=True)
            words = ["4242" if word == "PID" else word for word in words]
            command = cli.get_command(Context(cli), name)
            assert command is not None, line
            command.make_context(name, words)  # raises for an option that there is not
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
        assert (path.parent / target).exists(), target


def test_there_are_four_and_the_readme_and_the_library_page_know_them() -> None:
    assert [path.stem for path in NOTEBOOKS] == list(SHOWN)
    assert "make notebook" in (ROOT / "README.md").read_text()
    for path in NOTEBOOKS:
        assert path.name in (ROOT / "docs" / "notebooks.md").read_text()


def test_the_shipped_recordings_are_small_and_of_nobody() -> None:
    import sigtrace

    shipped = ROOT / "notebooks" / "recordings"
    assert sum(file.stat().st_size for file in shipped.rglob("*") if file.is_file()) < MOST_BYTES
    directories = [manifest.parent for manifest in shipped.rglob("manifest.json")]
    recording = sigtrace.open(sorted(directories))
    assert recording.problems == []
    assert recording.hosts() == list(HOSTS)
    namespaces = recording.namespaces()
    assert (namespaces["container_name"] != "").all()
    assert set(namespaces["init_comm"]) == {"sh", "sleep"}
    assert not recording.snapshots()["cmdline"].astype(str).str.contains("python|/home|/tmp|/root").any()
    assert all(re.fullmatch(r"[\d.]+ \w+", manifest["kernel"]) for manifest in recording.manifests)
    assert len(recording.events(columns=["time"])) > 200
