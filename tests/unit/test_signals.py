"""Signal names, numbers, masks and default actions, against what libc and the shell say."""

from __future__ import annotations

import signal
import subprocess

import pytest

from sigtrace import signals
from sigtrace.errors import BadInput


@pytest.mark.parametrize("number", sorted(set(range(1, 65)) - {32, 33}))
def test_every_name_is_the_one_that_kill_l_knows(number: int) -> None:
    name = signals.name(number).removeprefix("SIG")
    if number < 32:
        assert subprocess.check_output(["bash", "-c", f"kill -l {number}"], text=True).strip() == name
    elif number == 34:
        assert name == "RTMIN"
    else:
        assert name == f"RTMIN+{number - signal.SIGRTMIN}"


def test_names_and_numbers_are_inverse() -> None:
    assert [signals.parse(signals.name(number)) for number in range(34, 65)] == list(range(34, 65))
    assert [signals.parse(signals.name(number)) for number in range(1, 32)] == list(range(1, 32))


def test_the_constants_are_the_numbers_that_libc_has() -> None:
    libc = {name.removeprefix("SIG"): int(number) for name, number in signal.Signals.__members__.items()}
    ours = {name: getattr(signals, name) for name in libc if name.isalnum() and hasattr(signals, name)}
    assert ours == {name: libc[name] for name in ours}
    assert sorted(ours.values()) == [
        number for number in range(1, 32) if number not in {16} - set(libc.values())
    ]
    assert signals.SIGRTMIN == signal.SIGRTMIN == signals.KERNEL_SIGRTMIN + len(signals.OF_THREADS)
    assert signals.SIGRTMAX == signal.SIGRTMAX


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("TERM", 15),
        ("SIGTERM", 15),
        (" sigterm ", 15),
        ("15", 15),
        ("RTMIN", 34),
        ("SIGRTMIN+3", 37),
        ("RTMAX", 64),
        ("rtmax-1", 63),
        ("CLD", 17),
        ("IOT", 6),
        ("POLL", 29),
    ],
)
def test_a_signal_may_be_written_in_many_ways(text: str, number: int) -> None:
    assert signals.parse(text) == number


@pytest.mark.parametrize(
    "text", ["", "0", "65", "-9", "SIG", "SIG15", "RTMIN+31", "RTMIN-1", "TERM\x1b[31m", "९"]
)
def test_what_names_no_signal_is_refused_in_one_harmless_sentence(text: str) -> None:
    with pytest.raises(BadInput) as refused:
        signals.parse(text)
    assert "\x1b" not in str(refused.value)
    assert "unknown signal" in str(refused.value)


def test_a_misspelt_signal_is_refused_with_the_near_one() -> None:
    with pytest.raises(BadInput, match="unknown signal 'TREM': did you mean TERM"):
        signals.parse("TREM")


def test_an_unknown_number_gets_a_name_and_no_exception() -> None:
    assert (signals.name(77), signals.name(0)) == ("signal#77", "")


def test_a_mask_is_as_proc_writes_it() -> None:
    assert signals.mask((1, 15)) == 0x4001
    assert signals.members(0x4001) == [1, 15]
    assert signals.members(signals.mask(range(1, 65))) == list(range(1, 65))


def test_a_mask_has_the_signals_it_was_made_of() -> None:
    mask = signals.mask((1, 15, 64))
    assert [number for number in range(256) if signals.has(mask, number)] == [1, 15, 64]


def test_default_actions_are_those_of_signal_7() -> None:
    by_action: dict[str, str] = {
        "ignore": "CHLD URG WINCH",
        "continue": "CONT",
        "stop": "STOP TSTP TTIN TTOU",
        "core": "ABRT BUS FPE ILL QUIT SEGV SYS TRAP XCPU XFSZ",
    }
    for action, names in by_action.items():
        assert {signals.default_action(signals.parse(name)) for name in names.split()} == {action}
    others = set(range(1, 65)) - {
        signals.parse(name) for names in by_action.values() for name in names.split()
    }
    assert {signals.default_action(number) for number in others} == {"terminate"}
