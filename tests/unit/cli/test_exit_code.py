"""What users can meet is a sentence and an exit code; what is a bug is raised."""

from __future__ import annotations

import importlib

import pytest

from sigtrace.cli.exit_code import EXIT_FAILED, exit_code_of


def test_a_package_that_is_not_installed_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code_of(lambda: importlib.import_module("no_such_package.part")) == EXIT_FAILED
    said = capsys.readouterr().err
    assert said.startswith(
        "sigtrace: no_such_package is not installed, which this command needs: `pip install"
    )
    assert said.count("\n") == 1


def test_a_missing_module_of_our_own_is_a_bug() -> None:
    with pytest.raises(ModuleNotFoundError):
        exit_code_of(lambda: importlib.import_module("sigtrace.no_such_module"))


def test_what_the_agent_needs_is_in_its_extra(capsys: pytest.CaptureFixture[str]) -> None:
    def lacking() -> None:
        raise ModuleNotFoundError(
            "No module named 'prometheus_client'", name="prometheus_client.metrics_core"
        )

    assert exit_code_of(lacking) == 1
    assert "`pip install 'sigtrace[agent]'` brings it" in capsys.readouterr().err
