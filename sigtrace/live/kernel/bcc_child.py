"""Compile with bcc, as a script in a child process. This is the only code that imports bcc.

A child process, because bcc maps 67 MB, may call exit() on errors and is installed for the system's Python only.
Reads one JSON object from stdin: text, flags, functions, maps, kernel_source. Writes one to stdout: version,
instructions (hex, by function), maps (name by the descriptor in the instructions). clang's messages go to stderr.
Uses the standard library and bcc only: sigtrace is not importable here.
"""

from __future__ import annotations

import json
import os
import sys


def main() -> None:
    """Compile the programs of stdin; exit with 3 if this interpreter has no bcc."""
    job = json.load(sys.stdin)
    answer_to = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever bcc prints must not get into the answer
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
        # Not module[name].map_fd: bcc's Python layer would build ctypes for keys and values that it does not support.
        "maps": {str(bcc.lib.bpf_table_fd(module.module, name.encode())): name for name in job["maps"]},
    }
    with answer_to:
        json.dump(answer, answer_to)


if __name__ == "__main__":
    main()
