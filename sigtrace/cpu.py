"""What numpy and pyarrow need of the processor. Without it they end the process: "Illegal instruction"."""

from __future__ import annotations

import platform

from sigtrace.errors import CannotTrace

MODALIAS = "/sys/devices/system/cpu/modalias"
"""Has the processor's features by number, as `feature:,0000,0001,`, on x86 (cpu_print_modalias()). /proc/cpuinfo has
them by name, but some kernels have that wait until all processors tell their frequency (arch_freq_prepare_all())."""

_X86_64_V2 = {
    "SSSE3": 0x89,
    "CX16": 0x8D,
    "SSE4.1": 0x93,
    "SSE4.2": 0x94,
    "POPCNT": 0x97,
    "LAHF": 0xC0,
}
"""Name -> its number in arch/x86/include/asm/cpufeatures.h, of the level for which wheels are compiled."""


def lacks(modalias: str) -> list[str]:
    """Return which instructions are not there that wheels for x86-64 use. Empty if the text tells of no features."""
    listed = modalias.partition("feature:")[2].split(",")
    numbers = {int(word, 16) for word in listed if word.strip()}
    return [name for name, number in _X86_64_V2.items() if number not in numbers] if numbers else []


def problem() -> str:
    """Return why numpy and pyarrow cannot run on this processor; empty if they can, or if it cannot be told."""
    if platform.machine() != "x86_64":
        return ""
    try:
        with open(MODALIAS) as file:
            missing = lacks(file.read())
    except OSError:
        return ""
    return f"this CPU has no {', '.join(missing)}, which numpy and pyarrow need" if missing else ""


REMEDY = "use a newer machine, or give a virtual machine a newer CPU model, such as its host's"


def require() -> None:
    """Raise CannotTrace if numpy and pyarrow cannot run here. Call this before they are imported."""
    if found := problem():
        raise CannotTrace(f"{found}: {REMEDY}.")
