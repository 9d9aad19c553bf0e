"""The tests mirror the package: what decides much has a test file of its name, or it is said where its tests are."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
MANY = 20
"""Conditions in a module from which on it needs a test file."""

ELSEWHERE = {
    "predict/prose.py": "tests/cli/test_explain.py",
    "predict/explain.py": "tests/cli/test_explain.py",
    "procfs/threads.py": "tests/kernel/test_predict_live.py",
    "containers/lookup.py": "tests/unit/containers/test_runtimes.py",
    "containers/runtimes/lxc.py": "tests/unit/containers/test_runtimes.py",
    "containers/runtimes/nspawn.py": "tests/unit/containers/test_runtimes.py",
    "containers/runtimes/podman.py": "tests/unit/containers/test_runtimes.py",
    "events/column_types.py": "tests/unit/events/test_columns.py",
    "snapshot/reading.py": "tests/kernel/test_snapshot.py",
    "snapshot/helper.py": "tests/kernel/test_snapshot.py",
    "live/recorder.py": "tests/kernel/test_recorder.py",
    "live/collector.py": "tests/kernel/test_collector.py",
    "recording/contents.py": "tests/unit/recording/test_file.py",
    "lab/actor.py": "tests/kernel/test_lab.py",
    "lab/experiment.py": "tests/kernel/test_lab.py",
    "postmortem/end.py": "tests/kernel/test_postmortem_ends.py",
    "postmortem/undelivered.py": "tests/kernel/test_postmortem_ends.py",
    "postmortem/survivors.py": "tests/unit/postmortem/test_causes.py",
    "postmortem/checks.py": "tests/unit/postmortem/test_causes.py",
    "postmortem/snapshot.py": "tests/unit/postmortem/test_causes.py",
    "postmortem/from_live.py": "tests/kernel/test_live_identity.py",
    "postmortem/from_recording.py": "tests/cli/test_postmortem_containers.py",
    "postmortem/causes/traced.py": "tests/kernel/test_postmortem_signals.py",
    "postmortem/causes/not_an_init.py": "tests/kernel/test_postmortem.py",
    "postmortem/causes/synchronous_consumer.py": "tests/kernel/test_postmortem_programs.py",
    "postmortem/causes/startup_race.py": "tests/kernel/test_postmortem_signals.py",
    "postmortem/causes/stopped.py": "tests/kernel/test_postmortem_programs.py",
    "postmortem/causes/slow_handler.py": "tests/unit/postmortem/test_causes.py",
    "postmortem/causes/blocked_forever.py": "tests/unit/postmortem/test_causes.py",
    "export/perfetto.py": "tests/unit/export/test_export.py",
    "report/gather.py": "tests/unit/report/test_report.py",
    "check/engine.py": "tests/runtimes/test_check_images.py",
    "check/image.py": "tests/runtimes/test_check_images.py",
    "cli/event_lines.py": "tests/cli/test_watch.py",
    "cli/scan_summary.py": "tests/cli/test_scan_list.py",
    "cli/tree.py": "tests/cli/test_scan_tree.py",
    "cli/terminal.py": "tests/cli/test_top_terminal.py",
}
"""Where the tests are of those that have none of their name: of a whole room, of a command, or on a kernel."""

ROOMS = {
    "check/test_formats.py",
    "export/test_export.py",
    "frames/test_frames.py",
    "notebook/test_notebook.py",
    "notebook/test_recordings.py",
    "report/test_report.py",
}
"""Tests of what holds of several modules of a room."""

_CONDITIONS = (ast.If, ast.IfExp, ast.While, ast.BoolOp, ast.match_case)


def conditions(module: Path) -> int:
    """How many conditions there are in a module."""
    nodes = list(ast.walk(ast.parse(module.read_text())))
    of_loops = sum(len(node.ifs) for node in nodes if isinstance(node, ast.comprehension))
    return of_loops + sum(isinstance(node, _CONDITIONS) for node in nodes)


def has_test(name: Path) -> bool:
    """Whether a module of the package has a test file of its name, its command's included."""
    own = f"test_{name.stem}.py"
    of_command = ROOT / "tests" / "cli" / own
    return (ROOT / "tests" / "unit" / name.parent / own).exists() or (
        name.parent == Path("cli") and of_command.exists()
    )


def test_what_decides_much_has_tests_of_its_own() -> None:
    modules = {
        path.relative_to(ROOT / "sigtrace"): conditions(path) for path in ROOT.glob("sigtrace/**/*.py")
    }
    bare = {str(name) for name, count in modules.items() if count >= MANY and not has_test(name)}
    assert sorted(bare - ELSEWHERE.keys()) == []
    assert sorted(ELSEWHERE.keys() - bare) == [], "these need not be listed"
    assert [where for where in ELSEWHERE.values() if not (ROOT / where).exists()] == []


def test_what_has_tests_exists() -> None:
    tests = {path.relative_to(ROOT / "tests" / "unit") for path in ROOT.glob("tests/unit/*/**/test_*.py")}
    strays = set()
    for path in tests:
        name = path.stem.removeprefix("test_")
        there = ROOT / "sigtrace" / path.parent
        if not (there / f"{name}.py").exists() and not (there / name).is_dir():
            strays.add(str(path))
    assert sorted(strays - ROOMS) == []
