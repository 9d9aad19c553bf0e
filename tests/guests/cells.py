"""What `make matrix` runs: the guests, each a kernel with a job."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.guests.inside.conditions import CONDITIONS

KERNELS = {
    "amd64": ("5.10", "6.1", "6.12", "6.16", "6.18", "7.2", "newest"),
    "arm64": ("6.1", "6.12"),
}
"""Architecture -> the kernels of the table; each is the newest version of its series in Debian's archive."""


@dataclass(frozen=True)
class Cell:
    """A guest: a kernel, what runs in it, and how it is booted."""

    kernel: str
    arch: str
    job: str
    """A module of `inside/`."""
    of: str
    """What the job is told: how much to run, or which conditions."""
    parameters: tuple[tuple[str, str], ...] = ()
    cpu: str = ""

    @property
    def system(self) -> str:
        """The kernel and the architecture."""
        return f"{self.kernel} {self.arch}"

    @property
    def name(self) -> str:
        """What the cell is called in logs and messages."""
        return f"{self.system} {self.of}"


def methods(arch: str, kernels: tuple[str, ...], sample: str) -> list[Cell]:
    """Return a cell for each kernel, with what users do and a sample of the kernel tests, by each method."""
    return [Cell(kernel, arch, "methods", sample) for kernel in kernels]


def conditions(arch: str, kernels: tuple[str, ...]) -> Iterator[Cell]:
    """Yield a cell for each way in which the conditions of these kernels have to be booted. Only amd64 has them."""
    booted: dict[tuple[object, ...], list[str]] = {}
    for name, condition in CONDITIONS.items():
        for kernel in condition.kernels:
            if kernel in kernels and arch == "amd64":
                way = (kernel, tuple(condition.parameters.items()), condition.cpu)
                booted.setdefault(way, []).append(name)
    for (kernel, parameters, cpu), names in booted.items():
        yield Cell(str(kernel), arch, "conditions", ",".join(names), parameters, str(cpu))  # type: ignore[arg-type]
