"""Verdicts as JUnit XML, which GitLab, Jenkins and others show: a test suite per subject, a test case per question."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

from sigtrace.check.problems import Problem, Verdict
from sigtrace.check.words import headline
from sigtrace.text import printable

QUESTIONS = {
    "stops": ("does-not-stop", "not-even-killed", "too-slow", "ended-by-itself"),
    "stops when it has just started": ("lost-at-start", "not-ready"),
    "ends with an exit code that is not a failure": ("exit-code",),
    "takes a second signal": ("second-signal",),
    "leaves no process behind, and no zombie": ("left-behind", "zombies", "orphans"),
    "does what was predicted": ("not-as-predicted",),
}
"""What is asked of each subject, and the problems that answer no."""


def document(verdicts: Sequence[Verdict]) -> bytes:
    """Return the XML, UTF-8."""
    root = ElementTree.Element("testsuites", name="sigtrace check")
    for verdict in verdicts:
        root.append(_suite(verdict))
    ElementTree.indent(root)
    text: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _suite(verdict: Verdict) -> ElementTree.Element:
    cases = [_case(verdict, question, slugs) for question, slugs in QUESTIONS.items()]
    name = printable(verdict.facts.name)
    counts = {
        "tests": len(cases),
        "failures": sum(case.find("failure") is not None for case in cases),
        "errors": sum(case.find("error") is not None for case in cases),
        "skipped": sum(case.find("skipped") is not None for case in cases),
    }
    suite = ElementTree.Element("testsuite", {"name": name, **{key: str(n) for key, n in counts.items()}})
    suite.extend(cases)
    out = ElementTree.SubElement(suite, "system-out")
    out.text = "\n".join(map(printable, (headline(verdict), *verdict.facts.main.output)))
    return suite


def _case(verdict: Verdict, question: str, slugs: Sequence[str]) -> ElementTree.Element:
    took = f"{verdict.facts.main.took:.3f}" if question == "stops" else "0"
    case = ElementTree.Element("testcase", classname=printable(verdict.facts.name), name=question, time=took)
    found = [each for each in verdict.problems if each.check in slugs]
    unchecked = verdict.result == "not checked"
    if unchecked and question != "stops":
        ElementTree.SubElement(case, "skipped")
        return case
    for problem in found:
        if problem.severity in verdict.failing:
            kind = "error" if unchecked else "failure"
            told = ElementTree.SubElement(case, kind, type=problem.check, message=printable(problem.summary))
            told.text = _told(problem)
            break  # the schema permits one
    others = [f"{each.severity}: {each.summary}" for each in found if each.severity not in verdict.failing]
    if others:
        ElementTree.SubElement(case, "system-out").text = "\n".join(map(printable, others))
    return case


def _told(problem: Problem) -> str:
    lines = [problem.because, *(f"to fix: {each}" for each in problem.advice), *problem.evidence]
    return "\n".join(printable(line) for line in lines if line)
