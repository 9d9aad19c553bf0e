"""Known programs as PID 1: what each does on its stop signals, what `scan` said before, what the postmortem says after.

What happened is observed without sigtrace. All programs run at once: see `run.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import sigtrace
from tests.conftest import require
from tests.programs.judgement import of_scan
from tests.programs.program import Stop
from tests.programs.run import RECORDINGS, Case, run
from tests.programs.table import PROGRAMS

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(400)]

CASES = {
    f"{program.name}: {signal}": Case(program, signal) for program in PROGRAMS for signal in program.stops
}


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All cases are run; where the recordings of them are."""
    directory = tmp_path_factory.mktemp("programs")
    run([case for case in CASES.values() if not case.program.missing], directory)
    return directory


@pytest.fixture
def case(request: pytest.FixtureRequest, recording: Path) -> Case:
    """The case of that name."""
    found = CASES[request.param]
    feature = "optional" if found.program.optional else "programs"
    require(not found.program.missing, feature, f"{found.program.missing} is not installed")
    assert not found.failure, found.failure
    return found


def each_case(errs: Callable[[Stop], str] = lambda stop: "") -> pytest.MarkDecorator:
    """Run a test for each case; `errs` says why that is expected to fail."""
    marks = {name: [pytest.mark.xfail(reason=why)] for name, one in CASES.items() if (why := errs(one.stop))}
    params = [pytest.param(name, marks=marks.get(name, [])) for name in CASES]
    return pytest.mark.parametrize("case", params, indirect=True)


@each_case()
def test_what_the_signal_does_to_the_program(case: Case) -> None:
    assert case.fate in (case.stop.fate, case.stop.or_else)
    assert case.fate


@each_case(lambda stop: stop.scan_errs)
def test_scan_foretells_it_or_says_that_it_depends_on_the_program(case: Case) -> None:
    assert case.row is not None
    assert of_scan(case.row, case.fate) in case.stop.scan.split("|"), f"{case.row.verdict}: {case.row.why}"


@pytest.mark.parametrize("of", RECORDINGS)
@each_case(lambda stop: stop.postmortem_errs)
def test_the_postmortem_names_the_cause_and_the_process(case: Case, of: str) -> None:
    report, stop = case.reports[of], case.stop
    assert report.failed == ()
    found = [(finding.cause, finding.summary) for finding in report.findings]
    cause = (stop.cause_by_inits if of == "inits" else "") or stop.cause
    assert [each for each, _ in found[:1]] == ([cause] if cause else []), found
    assert all(f"{stop.who or case.comm}[" in summary for _, summary in found[:1]), found


@pytest.mark.parametrize("of", RECORDINGS)
def test_the_list_has_all_of_them_with_the_same_causes(recording: Path, of: str) -> None:
    with sigtrace.open(recording / of) as opened:
        table = sigtrace.postmortem.postmortems(opened)
    causes = dict(zip(table["nsid"], table["cause"], strict=True))
    for name, one in CASES.items():
        if of in one.reports:
            report = one.reports[of]
            grave = [finding.cause for finding in report.findings if finding.severity != "notice"]
            assert causes[report.case.nsid] == next(iter(grave), ""), name
