"""Verdicts for machines: JUnit XML and GitHub's workflow commands, whatever text is in them."""

from __future__ import annotations

import re
import urllib.parse
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from sigtrace.check.github import commands
from sigtrace.check.junit import QUESTIONS, document
from sigtrace.check.plan import Plan
from sigtrace.check.problems import judge
from sigtrace.check.subject import End
from sigtrace.check.trial import Trial
from sigtrace.check.words import inert, lines
from tests.builders.checks import DROPPED, READY, facts, hung, stopped

HOSTILE = "a,b:c%0A\n::error::pwned\r\x1b[31m<&\"'>]]>\u202e\ud800##[error]x"


def test_an_annotation_for_each_problem() -> None:
    plain, error, notice = commands(judge(facts(hung(), reaps="does not reap")))
    assert plain.startswith("app --serve: fails: hangs: it did not end within 10 s of SIGTERM")
    assert error.startswith("::error title=sigtrace check%3A app --serve%3A does-not-stop::it did not end")
    assert "%0ABecause: SIGTERM was sent to app[7]" in error
    assert notice.startswith("::notice title=")


def test_a_warning_is_an_error_where_it_fails() -> None:
    found = facts(stopped(End(1)))
    assert next(each for each in commands(judge(found)) if "exit-code" in each).startswith("::warning ")
    strict = commands(judge(found, strict=True))
    assert next(each for each in strict if "exit-code" in each).startswith("::error ")


def test_hostile_text_makes_no_command_of_its_own() -> None:
    main = hung(replace(DROPPED, summary=HOSTILE, advice=HOSTILE, evidence=(HOSTILE,)), output=(HOSTILE,))
    verdict = judge(facts(main, name=HOSTILE, plan=Plan(uncovered=(HOSTILE,))))
    for line in commands(verdict):
        assert "\n" not in line
        assert "\r" not in line
        assert "\x1b" not in line
        if line.startswith("::"):
            head, _, _ = line[2:].partition("::")
            kind, _, properties = head.partition(" ")
            assert kind in ("error", "notice")
            assert re.fullmatch(r"title=[^:,]*", properties)
            assert "a,b:c%0A\\n::error::pwned" in urllib.parse.unquote(properties)
    for line in (*commands(verdict), *lines(verdict, 79)):
        assert "##[" not in line or line.startswith("::")
    for line in lines(verdict, 79):
        assert not line.lstrip().startswith("::")


def test_a_line_of_text_is_inert() -> None:
    assert inert("  ::set-env name=x::y") == "  : :set-env name=x::y"
    assert inert("a ##[add-path]x") == "a ## [add-path]x"
    assert inert("std::vector") == "std::vector"


def test_junit_has_a_suite_for_each_subject_and_a_case_for_each_question() -> None:
    ended = Trial(replace(READY, ended=True), End(2))
    xml = document([judge(facts(hung())), judge(facts(stopped(End(1)))), judge(facts(ended))])
    hangs, fine, unchecked = ElementTree.fromstring(xml).findall("testsuite")
    assert all(len(suite.findall("testcase")) == len(QUESTIONS) for suite in (hangs, fine, unchecked))
    assert (hangs.get("failures"), fine.get("failures"), unchecked.get("errors")) == ("1", "0", "1")
    assert unchecked.get("skipped") == str(len(QUESTIONS) - 1)
    failure = hangs.find("testcase/failure")
    assert failure is not None
    assert failure.get("type") == "does-not-stop"
    assert "to fix: install a handler for SIGTERM" in (failure.text or "")
    assert "warning: exit 1 after SIGTERM" in "".join(fine.itertext())


def test_junit_is_xml_whatever_the_text() -> None:
    main = hung(replace(DROPPED, summary=HOSTILE, evidence=(HOSTILE,)), output=(HOSTILE, "\0\ufffe"))
    (suite,) = ElementTree.fromstring(document([judge(facts(main, name=HOSTILE))])).findall("testsuite")
    assert "\\x1b" in (suite.get("name") or "")


@pytest.mark.parametrize("strict", [False, True])
def test_every_problem_has_its_question(strict: bool) -> None:
    known = {slug for slugs in QUESTIONS.values() for slug in slugs} | {"not-covered"}
    main = replace(stopped(End(1), took=3.0), left=("a[1]",))
    found = judge(facts(main, plan=Plan(most=1), early=hung(), twice=replace(hung(), sent=2)), strict)
    assert {each.check for each in found.problems} <= known
