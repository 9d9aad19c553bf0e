"""The writer when nothing can be written any more, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import sigtrace

_FILL = """
import resource, signal, sys
from pathlib import Path
from tests.builders.recordings import Made, terms
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
recording = Made(Path(sys.argv[1]))
recording.add(*terms([1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
recording.add(*terms(range(100000, 0, -7)))
recording.add(*terms([2, 3]))
assert recording.writer.stopped and len(recording.said) == 1, recording.said
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
recording.writer.flush()
recording.add(*terms([4]))
recording.close()
print(recording.writer.unwritten)
print("\\n".join(recording.said))
"""


def test_when_nothing_fits_it_says_so_once_goes_on_later_and_the_gap_is_recorded(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _FILL, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    lost = len(range(100000, 0, -7)) + 2
    unwritten, stopped, again = done.stdout.splitlines()
    assert int(unwritten) == lost
    assert stopped == (
        f"{tmp_path} cannot be written: File too large. Tracing goes on; recording resumes when it can: "
        "free some space there, or stop the recording"
    )
    assert again == f"recording again after 0 s, in which {lost:,} events were not recorded"
    recording = sigtrace.open(tmp_path)
    assert recording.batch().records["time"].tolist() == [1, 4]
    assert len(recording.losses.gaps) == 1
