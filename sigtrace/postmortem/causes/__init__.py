"""The known causes: each module of this package defines one as `CAUSE`, and `all_causes` finds it."""

from __future__ import annotations

import importlib
import pkgutil

from sigtrace.postmortem.cause import Cause


def all_causes() -> tuple[Cause, ...]:
    """Return all causes, in the order of their slugs."""
    names = (module.name for module in pkgutil.iter_modules(__path__))
    found = (importlib.import_module(f"{__name__}.{name}").CAUSE for name in names)
    return tuple(sorted(found, key=lambda cause: str(cause.slug)))
