"""Parse /proc/PID/cgroup: the cgroups that a process is in. Their names are chosen by whoever may make cgroups.

Lines end with a newline and with nothing else: a name cannot contain one (`cgroup_mkdir()`), but it may contain a
carriage return, and the rest of it may look like a line.
"""

from __future__ import annotations

import os
from collections.abc import Iterator


def parse(membership: bytes) -> Iterator[tuple[str, str]]:
    """Yield the controllers (`cpu,cpuacct`, `name=systemd`, empty for cgroup v2) and the path of each hierarchy.

    A line is `ID:controllers:/path`, and the path may contain colons. What is not such a line is left out.
    """
    for line in membership.split(b"\n"):
        parts = line.split(b":", 2)
        if len(parts) == 3 and b"\0" not in line:
            yield os.fsdecode(parts[1]), os.fsdecode(parts[2])
