"""What a fuzz target is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """One reader of foreign bytes."""

    name: str
    run: Callable[[bytes], object]
    """Gives the bytes to the reader, and asserts what must hold of its answer."""
    seeds: Callable[[], list[bytes]]
    """Inputs that make sense, to be changed."""
    allowed: tuple[type[Exception], ...] = ()
    """What the reader raises by its own contract; anything else is a fault."""
    share: float = 1
    """Weight of its inputs among all: those of cheap readers are many."""

    def __call__(self, raw: bytes) -> None:
        """Run it on one input. Raises whatever is a fault."""
        try:
            self.run(raw)
        except self.allowed:
            return
