"""Where the notebooks are opened: `make notebook`'s JupyterLab, and a host that may not trace."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.kernel.recording import give_up_privileges
from tests.patience import patient

ROOT = Path(__file__).parents[2]


def test_jupyterlab_starts_on_loopback_asks_for_its_token_and_leaves_nothing_behind(tmp_path: Path) -> None:
    command = [ROOT / "scripts" / "notebook.sh", Path(sys.executable).parent, "--port", str(_free_port())]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, start_new_session=True, env={**os.environ, "TMPDIR": str(tmp_path)}
    )  # fmt: skip
    try:
        assert process.stderr is not None
        lines = (
            re.search(r"(http://127\.0\.0\.1:\d+)/lab/\S+\?token=(\w+)", line) for line in process.stderr
        )
        found = next(match for match in lines if match)
        address, token = found.groups()
        assert json.loads(_get(f"{address}/api"))["version"]
        listed = json.loads(_get(f"{address}/api/contents/notebooks?token={token}"))["content"]
        assert "01-first-look.ipynb" in [each["name"] for each in listed]
        assert "python3" in json.loads(_get(f"{address}/api/kernelspecs?token={token}"))["kernelspecs"]
        with pytest.raises(urllib.error.HTTPError, match="403"):
            _get(f"{address}/api/contents/notebooks")
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.communicate(timeout=patient(30))
    assert list(tmp_path.iterdir()) == []


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _get(url: str) -> bytes:
    """What is there; the server says where it is a moment before it listens."""
    directly = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + patient(20)
    while True:
        try:
            with directly.open(url, timeout=patient(20)) as answer:
                return bytes(answer.read())
        except urllib.error.URLError as err:
            if isinstance(err, urllib.error.HTTPError) or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def test_without_privileges_it_takes_the_shipped_recording_and_says_why() -> None:
    ask = "from sigtrace.notebook import stage_a_stop as s; f = s(); print(f.live, f.recording.hosts(), f.origin)"
    env = {name: value for name, value in os.environ.items() if name != "SIGTRACE_NOTEBOOK"}
    done = subprocess.run(
        [sys.executable, "-c", ask],
        preexec_fn=give_up_privileges if os.geteuid() == 0 else None,
        capture_output=True,
        text=True,
        check=False,
        env={**env, "PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.startswith("False ['host-a'] This recording ships with the notebooks"), done.stderr
    assert "It cannot be recorded again here: not permitted to trace" in done.stdout
