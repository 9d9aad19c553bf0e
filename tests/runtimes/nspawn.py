"""systemd-nspawn without systemd: a manager a container, in the control group that its unit would have."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.patience import patient
from tests.runtimes.bundle import ends, runs_command
from tests.runtimes.host import TOKEN
from tests.runtimes.runtime import Running, Runtime, Spec, until

_IN_GROUPS = """
for group
do shift
   [ "$group" = -- ] && break
   mkdir -p "$group" && echo $$ >"$group/cgroup.procs"
done
exec "$@"
"""
"""Shell: run the words after `--` in the control groups before it."""


class Nspawn(Runtime):
    """As `systemctl start systemd-nspawn@NAME` does it, and `systemctl stop`: SIGTERM to the manager."""

    name = "nspawn"
    called = "nspawn"
    told_by_cgroup = False
    asker = "systemd-nspawn"
    commands = ("systemd-nspawn",)
    senders = ("systemd-nspawn",)

    orderly = True
    """Has a KillSignal=, which is what a stop sends; without one it kills."""

    def set_up(self, stack: contextlib.ExitStack) -> None:
        self._managers: dict[str, subprocess.Popen[str]] = {}

    def create(self, spec: Spec) -> tuple[str, int]:
        manager = self._spawn(spec)
        children = Path(f"/proc/{manager.pid}/task/{manager.pid}/children")
        return spec.name, until(
            lambda: _init_among(children.read_text()), "systemd-nspawn has started the init"
        )

    def run(self, spec: Spec) -> None:
        self._spawn(spec).wait(patient(60))

    def ask_to_stop(self, running: Running, grace: int) -> None:
        manager = self._managers[running.name]
        manager.terminate()
        if not ends(running.init_pid, grace):
            manager.terminate()  # the second makes it kill
        manager.wait(patient(20))

    def exit_code(self, running: Running) -> int | None:
        code = self._managers[running.name].wait(patient(20))
        return None if code == 1 else code  # 1 stands for all signals

    def exec(self, running: Running, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return self.host.run("nsenter", f"--target={running.init_pid}", "--all", "--", *command, check=False)

    def remove(self, name: str) -> None:
        manager = self._managers.pop(name, None)
        if manager:
            manager.terminate()
            until(lambda: self._pressed(manager), "systemd-nspawn has ended")

    def _pressed(self, manager: subprocess.Popen[str]) -> bool:
        """Whether it has ended, asked once more: two signals at a time would be one."""
        manager.terminate()
        return manager.poll() is not None

    def _spawn(self, spec: Spec) -> subprocess.Popen[str]:
        """Start the manager: what `systemd-nspawn@.service` and a file of settings make of it."""
        directory = Path("/var/lib/machines", spec.name)
        shutil.copytree(self.rootfs, self.host.root / str(directory)[1:], symlinks=True)
        settings = self.host.root / "run/systemd/nspawn" / f"{spec.name}.nspawn"
        settings.parent.mkdir(parents=True, exist_ok=True)
        if self.orderly:
            settings.write_text(f"[Exec]\nKillSignal={spec.stop_signal or self.default_stop}\n")
        options = (
            "--quiet --register=no --keep-unit --console=pipe --settings=override --private-network".split()
        )
        options += [
            f"--machine={spec.name}",
            f"--directory={directory}",
            f"--setenv={TOKEN}={self.host.token}",
        ]
        if spec.privileged:
            options.append("--capability=all")
        shell = ("sh", "-c", _IN_GROUPS, "sh", *self._groups(spec.name), "--")
        quiet = subprocess.DEVNULL
        manager = self.host.spawn(
            *shell, "systemd-nspawn", *options, "--", *spec.command, stdout=quiet, stderr=quiet
        )
        self._managers[spec.name] = manager
        return manager

    def _groups(self, name: str) -> list[str]:
        """Where systemd would have put the unit: in its own hierarchy of v1, and in a cgroup2."""
        unit = f"machine.slice/systemd-nspawn@{name}.service"
        for below in ("supervisor", "payload"):
            self.host.remember(f"/{unit}/{below}")  # systemd would remove them with the unit
        everywhere = self.host.root / "sys/fs/cgroup"
        bases = [base for base in ("systemd", "unified") if (everywhere / base).is_mount()]
        return [f"/sys/fs/cgroup/{base}/{unit}" for base in bases or ["."]]


def _init_among(children: str) -> int:
    """The PID of the child that is PID 1 in its namespace and runs the payload; 0 if there is none yet."""
    for pid in map(int, children.split()):
        with contextlib.suppress(OSError):
            ids = Path(f"/proc/{pid}/status").read_text().partition("NSpid:")[2].split("\n")[0].split()
            if ids[1:] == ["1"] and runs_command(pid):
                return pid
    return 0
