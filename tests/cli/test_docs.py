"""The documentation cannot lie: what it names exists, what exists is named, and every example runs."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from sigtrace.cli import cli
from sigtrace.lab.stage import Stage
from tests.commands import sigtrace
from tests.containers import dockerlike
from tests.patience import patient
from tests.shown.blocks import PAGES, ROOT, blocks
from tests.terminal import running

_PID, _INODE, _OTHER, _DIR = "4242", "4026532249", "4250", "/var/tmp/signals"
_CONTAINER, _POD_NAMESPACE = "web-1", "shop"
"""What the documentation calls an init, its namespace, another process, a recording of them, the init's container
and the namespace of a pod; the tests put real ones in their place."""


def _commands() -> dict[str, click.Command]:
    context = click.Context(cli)
    found = {name: cli.get_command(context, name) for name in cli.list_commands(context)}
    return {name: command for name, command in found.items() if command is not None}


def _reference() -> str:
    """In a process of its own: click remembers on a command how it was first asked for help."""
    return subprocess.run(
        [sys.executable, ROOT / "scripts" / "cli_reference.py"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def _blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.M | re.S)


def _examples() -> Iterator[str]:
    """Every command line that the help texts and the pages show, without comments."""
    for command in _commands().values():
        for line in (command.help or "").splitlines():
            if re.match(r"\s+(sudo )?sigtrace ", line):
                yield re.split(r" {2,}", line.strip())[0]
    for page in PAGES:
        for block in blocks(page):
            if block.language != "console" or block.world:  # tests/shown runs those of a world
                continue
            for line in block.text.splitlines():
                if re.match(r"\$ (sudo )?sigtrace ", line):
                    yield re.split(r" {2,}#", line[2:])[0].strip()


def test_the_reference_is_what_the_commands_say() -> None:
    assert (ROOT / "docs" / "commands.md").read_text() == _reference(), "run `make docs`"


@pytest.mark.parametrize("name", _commands())
def test_every_command_is_helpful_and_in_the_readme(name: str) -> None:
    command = _commands()[name]
    assert "Examples:" in (command.help or "")
    assert f"sigtrace {name}" in (ROOT / "README.md").read_text()
    for option in command.params:
        if isinstance(option, click.Option) and not option.hidden and option.name != "help":
            assert option.help, f"{name} {option.opts} has no help"


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_fault_of_the_reliability_page_has_its_test() -> None:
    page = ROOT / "docs" / "reliability.md"
    rows = [line for line in page.read_text().splitlines() if re.match(r"\| (?!fault \|)", line)]
    assert rows
    for row in rows:
        tests = re.findall(r"\[`(\w+)`\]\(([^)]+)\)", row.split(" | ")[-1])
        assert tests, row
        for name, file in tests:
            assert f" def {name}(" in (page.parent / file).read_text().replace("\ndef", " def"), (
                f"{file}: {name}"
            )


@pytest.mark.parametrize("name", _commands())
def test_help_fits_80_columns(name: str) -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "sigtrace", name, "-h"], capture_output=True, text=True, check=True
    ).stdout
    too_long = [line for line in shown.splitlines() if len(line) > 80]
    assert [line for line in too_long if "|" not in line] == []


@pytest.fixture(scope="module")
def cast(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A live init, its namespace, a member and a recording, under the names that the documentation uses.

    There is a container `web-1`, which is that init's, and one in the pod `shop/checkout-7d4f`; their real names are
    nobody else's on this host.
    """
    recording = tmp_path_factory.mktemp("signals")
    web_1, shop = f"{_CONTAINER}-{os.getpid()}", f"{_POD_NAMESPACE}-{os.getpid()}"
    with (
        Stage() as stage,
        dockerlike((namespace := stage.namespace()).init.pid, web_1, "shop/web:2.1") as web,
        dockerlike(stage.namespace().init.pid, "app", "checkout:2", pod=f"{shop}/checkout-7d4f") as app,
        pytest.MonkeyPatch.context() as patched,
    ):
        patched.setenv("SIGTRACE_ROOTS", f"{web.env['SIGTRACE_ROOTS']} {app.env['SIGTRACE_ROOTS']}")
        member = namespace.member()
        _record(recording, namespace.init.pid)
        numbers = {_PID: str(namespace.init.pid), _INODE: str(namespace.inode), _OTHER: str(member.pid)}
        yield {**numbers, _DIR: str(recording), _CONTAINER: web_1, _POD_NAMESPACE: shop}


def _record(directory: Path, init: int) -> None:
    """A recording in which an init drops a signal."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sigtrace", "record", str(directory)], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    assert process.stderr.readline().startswith("sigtrace: ready")
    os.kill(init, signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=patient(30))
    assert process.returncode == 0


def _live(text: str, cast: dict[str, str]) -> str:
    for written, real in cast.items():
        text = re.sub(rf"(?<!\w){written}\b", real, text)
    return text


@pytest.mark.kernel
@pytest.mark.parametrize("line", sorted(set(_examples())))
def test_every_example_runs(line: str, cast: dict[str, str], tmp_path: Path) -> None:
    words = _live(line.removeprefix("sudo "), cast)
    if re.match(r"sigtrace check .*--(image|pod|compose) ", words):  # tests/runtimes has images
        assert _commands()["check"].make_context("check", shlex.split(words)[2:])
        return
    agent = " agent" in words and "--defaults" not in words
    if agent:
        words = words.replace("/etc/sigtrace/", "")
        settings = f'[record]\ndirectory = "{tmp_path}/made"\n[metrics]\nlisten = "127.0.0.1:0"\n'
        (tmp_path / "agent.toml").write_text(settings)
    if words.startswith("sigtrace top") and "--once" not in words:
        _runs_on_a_screen(words, tmp_path)
        return
    script = (
        f'set -o pipefail\nsigtrace() {{ exec {shlex.quote(sys.executable)} -m sigtrace "$@"; }}\n({words})'
    )
    process = subprocess.Popen(
        ["bash", "-c", script],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        assert process.stderr is not None
        if " watch" in line or " record" in line or (agent and "--check" not in line):
            # which container is which PID namespace is said before
            assert any(words.startswith("sigtrace: ready") for words in process.stderr)
            for _ in range(3):
                os.kill(int(cast[_PID]), signal.SIGTERM)
            if "--count" not in line:
                os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=patient(100))
    finally:
        process.kill()
    # 3: it has found something
    judges = any(word in line for word in (" postmortem", " --fail-on", " check"))
    assert process.returncode in ((0, 3) if judges else (0,)), err
    assert "Traceback" not in err
    assert out or ">" in line or "|" in line or " record" in line or " -o " in line or agent


def _runs_on_a_screen(words: str, where: Path) -> None:
    with running(where, *shlex.split(words)[1:]) as tty:
        tty.shows("sorted by")
        tty.press("q")
        tty.shows("BACK")
        assert tty.file("code") == "0\n"


@pytest.mark.kernel
@pytest.mark.parametrize(
    ("page", "number"), [(page, n) for page in PAGES for n in range(len(_blocks(page, "python")))], ids=str
)
def test_every_python_example_runs(page: Path, number: int, cast: dict[str, str]) -> None:
    code = _live(_blocks(page, "python")[number], cast)
    with tempfile.TemporaryDirectory() as where:
        if "signals.html" in code:
            html = str(Path(where) / "signals.html")
            assert sigtrace("report", cast[_DIR], "-o", html).returncode == 0
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            timeout=patient(60),
            check=False,
            cwd=where,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    assert done.returncode == 0, done.stderr
