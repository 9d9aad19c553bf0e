"""LXC: `make test ARGS=tests/runtimes/test_lxc.py`."""

from __future__ import annotations

from tests.runtimes.claims import Claims
from tests.runtimes.lxc import Lxc


class TestLxc(Claims):
    """All claims; a stop is SIGPWR."""

    driver = Lxc
