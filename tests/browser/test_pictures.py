"""Pictures in a headless browser: names that mean harm are text in a tooltip too."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from sigtrace import plot
from sigtrace.recording.reader import Recording
from tests.builders.pictures import Tags, hostile_names
from tests.conftest import require
from tests.patience import patient


@pytest.fixture
def hostile(tmp_path: Path) -> Recording:
    return hostile_names(tmp_path / "hostile")


_HOVER = """
window.alert = what => document.body.append('ALERT ' + what);
vegaEmbed('#picture', SPEC, {renderer: 'svg'}).then(() => {
  for (const mark of document.querySelectorAll('#picture svg path')) {
    const box = mark.getBoundingClientRect();
    const where = {bubbles: true, clientX: box.x + box.width / 2, clientY: box.y + box.height / 2};
    for (const kind of ['pointerover', 'pointermove']) mark.dispatchEvent(new PointerEvent(kind, where));
    const tip = document.getElementById('vg-tooltip-element');
    if (tip) document.getElementById('tips').append(tip.cloneNode(true));
  }
});
"""


@pytest.mark.parametrize("name", ["timeline", "senders", "tree"])
def test_hostile_names_in_a_tooltip_are_text(name: str, hostile: Recording, tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    require(browser, "browser", "there is no chromium")
    chart = getattr(plot, name)(hostile)
    script = f"<script>{plot.javascript()}</script><script>{_HOVER.replace('SPEC', chart.to_json())}</script>"
    page = tmp_path / "page.html"
    page.write_text(f"<!doctype html><meta charset=utf-8><div id=picture></div><div id=tips></div>{script}")
    command = [
        browser,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--virtual-time-budget=5000",
        "--dump-dom",
    ]
    done = subprocess.run(
        [*command, page.as_uri()], capture_output=True, text=True, timeout=patient(100), check=True
    )
    tips = done.stdout.partition('<div id="tips">')[2].partition("<script>")[0]
    assert "/script&gt;" in tips
    assert set(Tags(tips).tags) == {"div", "table", "tbody", "tr", "td"}
    assert "ALERT" not in done.stdout.partition("</script><div")[2]
