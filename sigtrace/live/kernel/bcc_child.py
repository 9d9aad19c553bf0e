"""Compile with bcc and leave: the only code that imports it, run as a script in a process of its own.

bcc maps 67 MB, may call exit() on errors and lives in the system's Python only; none of that concerns the
process that asked. Reads one JSON object from stdin: text, flags, functions, maps, kernel_source. Writes one to
stdout: version, instructions (hex, by function), maps (name by the descriptor that the instructions carry). What
clang says goes to stderr. Stdlib and bcc only: sigtrace is not importable here.
"""

from __future__ import annotations

import json
import os
import sys


def main() -> None:
    """Do the one job; exit 3 if there is no bcc under this interpreter."""
    job = json.load(sys.stdin)
    answer_to = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever else is printed must not get into the answer
    os.environ["BCC_KERNEL_SOURCE"] = job["kernel_source"]
    try:
        import bcc

        make = bcc.BPF  # a package of that name without BPF is not the BPF Compiler Collection
    except (ImportError, AttributeError, OSError):  # OSError: its shared library does not load here
        sys.exit(3)
    module = make(text=job["text"], cflags=job["flags"])
    answer = {
        "version": str(getattr(bcc, "__version__", "unknown")),
        "instructions": {name: module.dump_func(name.encode()).hex() for name in job["functions"]},
        # not module[name].map_fd: bcc's Python layer would build ctypes for keys and values it cannot spell
        "maps": {str(bcc.lib.bpf_table_fd(module.module, name.encode())): name for name in job["maps"]},
    }
    with answer_to:
        json.dump(answer, answer_to)


if __name__ == "__main__":
    main()
