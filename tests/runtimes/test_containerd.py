"""containerd and ctr: `make test ARGS=tests/runtimes/test_containerd.py`."""

from __future__ import annotations

from tests.runtimes.claims import Claims
from tests.runtimes.containerd import Containerd


class TestContainerd(Claims):
    """All claims, with a containerd of its own."""

    driver = Containerd
