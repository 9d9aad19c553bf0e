"""Experiments on visibility: a PID belongs to a namespace, which shows its own processes and those below it."""

from __future__ import annotations

import signal

from sigtrace.lab.actor import Actor
from sigtrace.lab.experiment import HANDLER, NOTHING, EventRow, Lab, about, experiment, verdicts

_DROPPED = "dropped_at_generate"


@experiment("nested", "nested namespaces: one process under three PIDs")
def nested(lab: Lab) -> None:
    """A process has a PID in its own namespace and one in each above it, up to the initial one (NSpid in
    /proc/PID/status). Each level sees its own processes and those below. An init is an init to the levels
    above as well: TERM from there is dropped, KILL from there acts."""
    outer = lab.namespace()
    inner = outer.init.namespace()
    init = inner.init
    numbers = [init.pid, init.pid_in(outer), 1]
    lab.check(
        "NSpid of the inner init, outermost first",
        numbers,
        [int(pid) for pid in init.status("NSpid").split()],
    )
    lab.check("three namespaces, three different numbers", 3, len(set(numbers)))
    lab.check("the outer init looks for it by its number", "seen", _sees(outer.init, numbers[1]))
    lab.check("the inner init looks for that same number", "not seen", _sees(init, numbers[1]))
    lab.send(outer.init, init, signal.SIGTERM, NOTHING, _DROPPED)
    lab.recorded("namespace and PID inside that the record names", (inner.inode, 1), _namespace_and_pid)
    lab.send(outer.init, init, signal.SIGKILL, "is killed by SIGKILL", "queued, then default_action")


@experiment("no-way-up", "a namespace cannot signal its parent or its sibling")
def no_way_up(lab: Lab) -> None:
    """kill(2) takes a number of the caller's own namespace. The processes of the parent and of a sibling
    have none there, so no signal can be sent to them, by root neither: ESRCH, or another process that has
    that number. `kill -1` means "everyone I see, but init and me"."""
    left, right = lab.namespace(), lab.namespace()
    attacker, victim, outside = left.member(), left.member(), lab.stage.actor()
    lab.forget()
    for whom, target in (("a process outside", outside), ("the sibling's init", right.init)):
        lab.check(f"root inside looks for the outer PID of {whom}", "not seen", _sees(attacker, target.pid))
    lab.check("the init asks for its parent's PID", 0, left.init("getppid()"))
    attacker(f"kill(-1, {signal.SIGKILL:d})")
    fates = [str(actor.settle()) for actor in (victim, left.init, right.init, outside)]
    lab.check(
        "root inside calls kill(-1, SIGKILL): member, own init, sibling's init, outside",
        ["is killed by SIGKILL", "runs on", "runs on", "runs on"],
        fates,
    )
    lab.recorded("SIGKILLs generated for the two inits", 0, lambda rows: _kills(rows, left.init, right.init))
    lab.recorded(
        "SIGKILLs generated for the member",
        1,
        lambda rows: verdicts(rows, victim, signal.SIGKILL).count("queued"),
    )


@experiment("proc-remount", "/proc before and after remounting")
def proc_remount(lab: Lab) -> None:
    """A mounted /proc shows the namespace of whoever mounted it. A new PID namespace that still has its
    parent's /proc sees the parent's processes there, under the parent's numbers; it needs a /proc of its
    own, in a mount namespace of its own, for ps and pkill to tell the truth."""
    init = lab.namespace().init
    init("private_mounts()")
    lab.check(
        "readlink /proc/self in pid 1, on the parent's /proc", init.pid, init("os.readlink('/proc/self')")
    )
    lab.check(
        "is a process of the parent in it?", True, init(f"os.path.exists('/proc/{lab.stage.outside.pid}')")
    )
    init("mount('proc', '/proc', 'proc')")
    lab.check("mount a new /proc and readlink /proc/self again", 1, init("os.readlink('/proc/self')"))
    listed = init("[name for name in os.listdir('/proc') if name.isdecimal()]")
    lab.check("the processes in it", ["1"], listed)
    outside = lab.stage.outside
    lab.check("readlink /proc/self outside, as before", outside.pid, outside("os.readlink('/proc/self')"))


@experiment("unshare-setns", "unshare and setns act on the children only")
def unshare_setns(lab: Lab) -> None:
    """A process never changes its PID namespace. unshare(CLONE_NEWPID) and setns only choose where its
    children will be born: the first child after unshare is pid 1; after setns (nsenter, docker exec)
    children are born inside, with a parent outside (ppid 0). So the caller's signals come from outside, its
    children's from inside."""
    caller = lab.stage.actor()
    before = _inode(caller)
    namespace = lab.watched(caller.namespace())
    lab.check("unshare: the caller's own namespace", before, _inode(namespace.holder))
    second = namespace.joined()
    lab.check(
        "unshare: PIDs of the first and second child", [1, 2], [namespace.init("getpid()"), second.own_pid]
    )
    second.end()
    second.fate()
    joiner = lab.stage.actor()
    joiner.set("ignore", signal.SIGCHLD)  # else the zombie of its child would hold the init when it dies
    joiner.enter(namespace)
    lab.check("setns: the caller's own namespace", before, _inode(joiner))
    child = joiner.fork()
    lab.check("setns: the child's namespace", namespace.inode, _inode(child))
    lab.check("setns: the child's parent, seen from inside", 0, child("getppid()"))
    lab.send(child, namespace.init, signal.SIGKILL, NOTHING, _DROPPED)
    lab.send(joiner, namespace.init, signal.SIGKILL, "is killed by SIGKILL", "queued, then default_action")


@experiment("from-root", "watching all containers' processes from the root namespace")
def from_root(lab: Lab) -> None:
    """Namespaces look down: every process of every container has a PID in the root namespace, so one
    observer there sees them all. Inside, all have the same few numbers; the namespace's inode tells them
    apart."""
    namespaces = [lab.namespace() for _ in range(3)]
    members = [namespace.member() for namespace in namespaces]
    everyone = [
        actor for namespace in namespaces for actor in (namespace.init, *members) if actor.space is namespace
    ]
    lab.check(
        "PIDs inside three namespaces of two processes", [1, 2] * 3, [actor.own_pid for actor in everyone]
    )
    lab.check("different PIDs they have in the root namespace", 6, len({actor.pid for actor in everyone}))
    namespaces[1].init.set("handler", signal.SIGTERM)
    effects = ((NOTHING, _DROPPED), (HANDLER, "queued, then handled"), (NOTHING, _DROPPED))
    for namespace, member, (happens, record) in zip(namespaces, members, effects, strict=True):
        lab.send(member, namespace.init, signal.SIGTERM, happens, record)
        lab.recorded(
            "namespace and PID inside that the record names", (namespace.inode, 1), _namespace_and_pid
        )


def _sees(actor: Actor, number: int) -> str:
    try:
        actor(f"kill({number}, 0)")
    except ProcessLookupError:
        return "not seen"
    return "seen"


def _inode(actor: Actor) -> int:
    return int(actor("os.stat('/proc/self/ns/pid').st_ino"))


def _kills(rows: list[EventRow], *targets: Actor) -> int:
    return sum(row["signal"] == signal.SIGKILL and any(about(row, one) for one in targets) for row in rows)


def _namespace_and_pid(rows: list[EventRow]) -> tuple[int, int]:
    row = next(row for row in rows if row["stage"] == "generate" and row["signal"] == signal.SIGTERM)
    return row["nsid"], row["target_ns_pid"]
