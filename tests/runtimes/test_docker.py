"""docker: `make test ARGS=tests/runtimes/test_docker.py`."""

from __future__ import annotations

from tests.runtimes.claims import ClaimsOfItsInit
from tests.runtimes.docker import Docker


class TestDocker(ClaimsOfItsInit):
    """All claims, with a dockerd of its own."""

    driver = Docker
