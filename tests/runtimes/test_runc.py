"""runc and crun on their own: `make test ARGS=tests/runtimes/test_runc.py`."""

from __future__ import annotations

from tests.runtimes.bundle import Crun, Runc
from tests.runtimes.claims import Claims


class TestRunc(Claims):
    """All claims."""

    driver = Runc


class TestCrun(Claims):
    """All claims."""

    driver = Crun
