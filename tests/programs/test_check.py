"""Known programs, checked by `sigtrace check`: each stops or hangs as it is known to, and no prediction is wrong."""

from __future__ import annotations

import signal as numbers
from concurrent.futures import ThreadPoolExecutor

import pytest

from sigtrace.check.command import Command
from sigtrace.check.examination import Facts
from sigtrace.check.plan import Plan
from sigtrace.check.problems import Verdict, judge
from sigtrace.check.trial import stop
from sigtrace.check.witness import Witness
from sigtrace.lab.actor import Actor
from tests.conftest import require
from tests.patience import patient
from tests.programs.instance import PREPARE
from tests.programs.program import KILL, PATH, Program
from tests.programs.table import PROGRAMS

pytestmark = [pytest.mark.kernel, pytest.mark.timeout(400)]

_ISOLATED = 0x4000000 | 0x8000000 | 0x40000000
"""CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWNET."""
_AT_ONCE = 16

CASES = {
    f"{program.name}: {signal}": (program, signal)
    for program in PROGRAMS
    for signal in list(program.stops)[:1]
    if not program.stdin
}


class Known(Command):
    """A known program, in files and a network of its own."""

    def __init__(self, program: Program) -> None:
        super().__init__(program.command)
        self._program = program

    def _furnish(self, holder: Actor) -> None:
        super()._furnish(holder)
        holder(f"unshare({_ISOLATED})")
        words = {"PATH": PATH, "HOME": "/run", "LANG": "C.UTF-8"}
        status = holder(f"os.system({PREPARE + self._program.setup!r})", patient(60))
        assert status == 0
        holder(f"(os.chdir('/run'), os.environ.clear(), os.environ.update({words!r}))")


@pytest.fixture(scope="module")
def verdicts() -> dict[str, Verdict]:
    """All of them are checked, several at a time."""

    def check(name: str) -> Verdict:
        program, signal = CASES[name]
        hangs = program.stops[signal].fate == KILL
        plan = Plan(_number(signal), grace=3.0 if hangs else patient(60))
        with Known(program) as subject:
            return judge(Facts(name, plan, stop(subject, plan, Witness())))

    here = [name for name, (program, _) in CASES.items() if not program.missing]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return dict(zip(here, pool.map(check, here), strict=True))


@pytest.mark.parametrize("name", CASES)
def test_a_known_program_is_told_right_from_wrong(name: str, verdicts: dict[str, Verdict]) -> None:
    program, signal = CASES[name]
    feature = "optional" if program.optional else "programs"
    require(not program.missing, feature, f"{program.missing} is not installed")
    verdict, stop = verdicts[name], program.stops[signal]
    fate = stop.fate
    main = verdict.facts.main
    assert main.killed == (fate == KILL), verdict
    if main.end and not main.killed:
        became = f"exit {main.end.code}" if not main.end.signal else _name(main.end.signal)
        assert became in (fate, stop.or_else)
    assert verdict.as_dict()["as_predicted"] is True


def _number(name: str) -> int:
    return numbers.Signals[f"SIG{name}"].value


def _name(number: int) -> str:
    return numbers.Signals(number).name.removeprefix("SIG")
