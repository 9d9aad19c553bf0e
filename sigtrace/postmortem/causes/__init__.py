"""Every known cause, one module each: a module of this package defines `CAUSE`, and there is no list to add it to."""

from __future__ import annotations

import importlib
import pkgutil

from sigtrace.postmortem.cause import Cause


def all_causes() -> tuple[Cause, ...]:
    """Every cause there is, by slug."""
    names = (module.name for module in pkgutil.iter_modules(__path__))
    found = (importlib.import_module(f"{__name__}.{name}").CAUSE for name in names)
    return tuple(sorted(found, key=lambda cause: str(cause.slug)))
