"""What `make matrix` runs: the guests, each a kernel with a job."""

from __future__ import annotations

from dataclasses import dataclass, replace

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


def conditions(arch: str, kernels: tuple[str, ...]) -> list[Cell]:
    """Return a cell for each way in which the conditions of these kernels have to be booted. Only amd64 has them."""
    booted: dict[Cell, list[str]] = {}
    for name, condition in CONDITIONS.items():
        for kernel in condition.kernels:
            if kernel in kernels and arch == "amd64":
                parameters = tuple(condition.parameters.items())
                booted.setdefault(Cell(kernel, arch, "conditions", "", parameters, condition.cpu), []).append(
                    name
                )
    return [replace(cell, of=",".join(names)) for cell, names in booted.items()]
