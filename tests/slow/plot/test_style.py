"""Pictures as files and in notebooks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sigtrace import plot
from sigtrace.recording.reader import Recording
from tests.builders.stories import recorded_stop
from tests.patience import patient


@pytest.fixture
def story(tmp_path: Path) -> Recording:
    """A container, web-1, whose stop took ten seconds."""
    return recorded_stop(tmp_path / "story")


def test_a_notebook_gets_vega_lite_that_jupyterlab_knows_and_a_png(story: Recording) -> None:
    import vl_convert

    bundle = plot.timeline(story)._repr_mimebundle_()
    assert list(bundle) == ["application/vnd.vegalite.v5+json", "image/png", "text/plain"]
    known = bundle["application/vnd.vegalite.v5+json"]
    assert known["$schema"].endswith("vega-lite/v5.json")
    assert vl_convert.vegalite_to_svg(known, vl_version="5.21").startswith("<svg")
    assert bundle["image/png"].startswith(b"\x89PNG")
    assert "http" not in json.dumps({**known, "$schema": ""})


def test_pictures_become_files_without_a_network(story: Recording, tmp_path: Path) -> None:
    code = (
        "import sys, sigtrace\nfrom sigtrace import plot\n"
        "chart = plot.timeline(sigtrace.open(sys.argv[1]))\n"
        "chart.save(sys.argv[2] + '/a.svg'); chart.dark().save(sys.argv[2] + '/a.png')\n"
        "chart.save(sys.argv[2] + '/a.html', inline=True); print(len(plot.javascript()))\n"
    )
    command = [sys.executable, "-c", code, str(story.paths[0]), str(tmp_path)]
    unshared = ["unshare", "--net", "--map-root-user", *command]
    done = subprocess.run(unshared, capture_output=True, text=True, timeout=patient(100), check=False)
    assert done.returncode == 0, done.stderr
    assert 500_000 < int(done.stdout) < 1_200_000
    assert (tmp_path / "a.svg").read_text().startswith("<svg")
    assert (tmp_path / "a.html").stat().st_size < 1_500_000
    assert "</script" not in plot.javascript().lower()


@pytest.mark.parametrize(
    ("missing", "code", "says"),
    [
        ("altair", "sigtrace.plot", "pictures need Altair: pip install 'sigtrace[notebook]'"),
        (
            "vl_convert",
            "sigtrace.plot.png(sigtrace.plot.style.nothing('a', 'b'))",
            "pictures as files need vl-convert-python: pip install 'sigtrace[notebook]'",
        ),
    ],
)
def test_what_is_not_installed_is_said_in_a_sentence(missing: str, code: str, says: str) -> None:
    script = f"""
import sys
sys.modules[{missing!r}] = None
import sigtrace
from sigtrace.errors import BadInput
try:
    {code}
except BadInput as err:
    print(err)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == says, done.stderr
