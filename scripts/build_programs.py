"""Build the BPF programs for all kernels into the package: make programs. Needs bcc, not root, no particular kernel."""

from __future__ import annotations

from pathlib import Path

from sigtrace.live.kernel.build import build
from sigtrace.live.kernel.built import FILE

if __name__ == "__main__":
    content = build()
    Path(FILE).write_bytes(content)
    print(f"{FILE}: {len(content)} bytes")
