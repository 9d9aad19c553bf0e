"""Boot a guest under QEMU, without hardware virtualisation, and read what it tells on its console."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.guests.disk import ROOT
from tests.guests.inside.step import MARK
from tests.guests.kernels import Kernel

# numpy's and pyarrow's wheels need SSE4.2, so QEMU's default CPU will not do; Nehalem is the oldest that has it.
_MACHINES = {
    "amd64": ("qemu-system-x86_64", "ttyS0", ("-cpu", "Nehalem")),
    "arm64": ("qemu-system-aarch64", "ttyAMA0", ("-M", "virt,gic-version=3", "-cpu", "cortex-a72")),
}
_MEMORY = 1536
"""MiB."""


@dataclass(frozen=True)
class Boot:
    """A guest to boot."""

    kernel: Kernel
    root: Path
    payload: Path
    parameters: Mapping[str, str]
    """Kernel parameters: of the kernel itself, and those that `inside/start.sh` reads."""
    cpu: str
    """QEMU's name of a CPU; empty for the usual one."""
    limit: float
    """Seconds after which the guest is ended."""


@dataclass
class Told:
    """What a guest told."""

    complete: bool = False
    """It came to its end, and did not panic, hang or run out of time."""
    seconds: float = 0.0
    release: str = ""
    lines: list[dict[str, Any]] = field(default_factory=list)


def boot(guest: Boot, log: Path) -> Told:
    """Run the guest to its end; its console is kept in `log`. QEMU's own exit status says nothing."""
    qemu, console, machine = _MACHINES[guest.kernel.arch]
    if guest.cpu:
        machine = (*machine[:-1], guest.cpu)
    words = {"console": console, "root": f"PARTUUID={ROOT}", "rootfstype": "ext4", "init": "/init-guest"}
    parameters = " ".join(f"{name}={value}" for name, value in {**words, **guest.parameters}.items())
    command = [
        *(qemu, *machine, "-accel", "tcg,thread=multi", "-m", str(_MEMORY), "-smp", "1", "-nographic"),
        *("-nodefaults", "-serial", "stdio", "-no-reboot", "-kernel", str(guest.kernel.image)),
        *("-append", f"{parameters} rootwait rw panic=-1 quiet loglevel=3"),
        *("-drive", f"file={guest.root},if=none,id=d0,format=raw,snapshot=on"),
        *("-device", "nvme,drive=d0,serial=root"),
        *("-drive", f"file={guest.payload},if=none,id=d1,format=raw,readonly=on"),
        *("-device", "nvme,drive=d1,serial=guest"),
    ]
    environment = {**os.environ, "TMPDIR": str(log.parent)}  # QEMU keeps what the guest writes there
    started = time.monotonic()
    with log.open("wb") as out:
        try:
            subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                timeout=guest.limit,
                check=False,
                env=environment,
            )
        except subprocess.TimeoutExpired:
            out.write(b"\nended: it took too long\n")
    return read(log.read_bytes().decode(errors="replace"), time.monotonic() - started)


def read(console: str, seconds: float) -> Told:
    """Pick out of a console what is meant for the host."""
    told = Told(seconds=round(seconds))
    for found in re.finditer(rf"^{re.escape(MARK)}(\{{.*\}})\r?$", console, re.M):
        line = json.loads(found[1])
        told.complete |= "done" in line
        told.release = line.get("release", told.release)
        if "step" in line or "lacks" in line:
            told.lines.append(line)
    return told
