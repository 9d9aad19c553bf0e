"""`make matrix`: boot the cells, say what became of each, keep the results, and write the page from them.

Environment:
    KERNELS  a list, such as "6.1 newest"; all of `cells.KERNELS` if it is empty
    ARCH     a list of amd64 and arm64; both if it is empty
    DO       a list of methods and conditions; both if it is empty
    JOBS     guests at a time, 1 if it is empty; no more than there are idle processors, as deadlines are by the clock
    QUICK=1  two minutes a guest, as in CI; the results are not kept
    FULL=1   the whole truth matrix, which takes 20 minutes a guest
"""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sigtrace.text import printable
from tests.guests import cache, cells, kernels, page, payload, results, root
from tests.guests.boot import Boot, boot
from tests.guests.cells import Cell
from tests.guests.kernels import Kernel, NotInArchive

_LIMITS = {"quick": 900.0, "usual": 3600.0, "full": 7200.0}
"""Sample -> seconds after which a guest is ended."""

_TAIL = 60
"""Lines of the console of a guest that failed to show: in CI the log is gone afterwards."""


def main() -> int:
    sample = "quick" if os.environ.get("QUICK") else "full" if os.environ.get("FULL") else "usual"
    chosen = _chosen(sample)
    archs = dict.fromkeys(cell.arch for cell in chosen)
    disks = {arch: (root.image(arch), payload.image(arch)) for arch in archs}
    found = {system: _found(*system) for system in {(cell.kernel, cell.arch) for cell in chosen}}
    kept, lock = results.load(), threading.Lock()

    def run(cell: Cell) -> bool:
        kernel = found[cell.kernel, cell.arch]
        if isinstance(kernel, str):
            _say(f"{cell.name}: {kernel}")
            results.keep_problem(kept, cell, kernel)
            works = False
        else:
            works = _run(cell, kernel, disks[cell.arch], kept, _LIMITS[sample])
        if sample != "quick":
            with lock:
                results.save(kept)
                page.write(kept)
        return works

    with ThreadPoolExecutor(int(os.environ.get("JOBS") or 1)) as pool:
        return 0 if all(list(pool.map(run, chosen))) else 1


def _chosen(sample: str) -> list[Cell]:
    wanted = tuple(os.environ.get("KERNELS", "").split())
    jobs = os.environ.get("DO", "").split() or ["methods", "conditions"]
    chosen: list[Cell] = []
    for arch in os.environ.get("ARCH", "").split() or cells.KERNELS:
        named = wanted or cells.KERNELS[arch]
        if "methods" in jobs:
            chosen += cells.methods(arch, named, sample)
        if "conditions" in jobs and sample != "quick":
            chosen += cells.conditions(arch, named)
    return chosen


def _found(name: str, arch: str) -> Kernel | str:
    """Return a kernel, or why there is none."""
    try:
        return kernels.fetch(name, arch)
    except NotInArchive as err:
        return str(err)


def _run(cell: Cell, kernel: Kernel, disks: tuple[Path, Path], kept: results.Results, limit: float) -> bool:
    """Run a cell; returns whether all of its claims hold."""
    log = cache.directory("logs") / f"{cell.name.replace(' ', '-')}.log"
    parameters = {**dict(cell.parameters), "guest.job": cell.job, "guest.of": cell.of}
    told = boot(Boot(kernel, *disks, parameters, cell.cpu, limit), log)
    results.keep(kept, cell, told)
    lines = results.with_end(told)
    passed, failed = (sum(line.get(word, 0) for line in lines) for word in ("passed", "failed"))
    _say(
        f"{cell.name}: {told.release or 'did not start'}: {passed} passed, {failed} failed, {told.seconds:.0f} s"
    )
    for text in results.failures(lines):
        _say(f"  FAILED {text}")
    if failed:
        _say(f"  its console is {log}, which ends:")
        for text in log.read_text(errors="replace").splitlines()[-_TAIL:]:
            _say(f"  | {printable(text)}")
    return not failed


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
