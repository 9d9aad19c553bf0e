"""docker: `make test ARGS=tests/runtimes/test_docker.py`."""

from __future__ import annotations

from tests.runtimes.claims import Claims
from tests.runtimes.docker import Docker


class TestDocker(Claims):
    """All claims, with a dockerd of its own."""

    driver = Docker
