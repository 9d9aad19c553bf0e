"""A /proc made of plain files, to be read with `root=`: recorded facts, hostile text, races at will."""

from __future__ import annotations

from pathlib import Path

STATUS = """\
Name:\t{comm}
State:\t{state} (whatever)
Tgid:\t{tgid}
Pid:\t{tid}
PPid:\t{ppid}
TracerPid:\t{tracer}
NSpid:\t{nspid}
Threads:\t1
SigQ:\t{sigq}
SigPnd:\t{pending:016x}
ShdPnd:\t{shared:016x}
SigBlk:\t{blocked:016x}
SigIgn:\t{ignored:016x}
SigCgt:\t{caught:016x}
CoreDumping:\t0
"""
FACTS = {
    "comm": "app",
    "state": "S",
    "ppid": 1,
    "tracer": 0,
    "nspid": "",
    "sigq": "3/96343",
    "pending": 0,
    "shared": 0,
    "blocked": 0,
    "ignored": 0,
    "caught": 0,
}
OWN = 4026531836


class FakeProc:
    """A directory that looks like /proc."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "uptime").write_text("1000.00 2000.00\n")
        self.process(1, comm="init")
        (root / "self").symlink_to("1")
        (root / "1" / "mountinfo").write_bytes(b"22 1 0:21 / /proc rw - proc proc rw\n")

    def __str__(self) -> str:
        return str(self.root)

    def process(
        self, pid: int, nsid: int = OWN, start: int = 100, comm: bytes | str = "app", **facts: object
    ) -> Path:
        """Add a process with one thread; its directory."""
        home = self.root / str(pid)
        (home / "ns").mkdir(parents=True)
        (home / "ns" / "pid").symlink_to(f"pid:[{nsid}]")
        (home / "ns" / "pid_for_children").symlink_to(f"pid:[{nsid}]")
        (home / "fd").mkdir()
        (home / "fdinfo").mkdir()
        (home / "cgroup").write_bytes(b"0::/\n")
        (home / "cmdline").write_bytes(b"app\0--serve\0")
        raw = comm.encode() if isinstance(comm, str) else comm
        state, ppid = facts.get("state", "S"), facts.get("ppid", 0 if pid == 1 else 1)
        flags = facts.pop("flags", 0)
        tail = f"{state} {ppid} {pid} {pid} 0 -1 {flags} {'0 ' * 10}1 0 {start} 0 0\n".replace("  ", " ")
        (home / "stat").write_bytes(b"%d (%s) " % (pid, raw) + tail.encode())
        self.thread(pid, pid, **({"ppid": ppid} | facts))
        (home / "task" / str(pid) / "stat").write_bytes((home / "stat").read_bytes())
        (home / "status").write_bytes((home / "task" / str(pid) / "status").read_bytes())
        return home

    def thread(self, pid: int, tid: int, **facts: object) -> Path:
        """Add a thread to a process; its directory."""
        task = self.root / str(pid) / "task" / str(tid)
        task.mkdir(parents=True)
        known = FACTS | {"nspid": str(tid)} | facts
        (task / "status").write_text(STATUS.format(tgid=pid, tid=tid, **known))
        stat = f"{tid} (app) {known['state']} {known['ppid']} {pid} {pid} 0 -1 {'0 ' * 11}1 0 100 0 0"
        (task / "stat").write_text(stat)
        (task / "syscall").write_text("7 0x1 0x2\n")
        (task / "wchan").write_text("do_poll")
        return task
