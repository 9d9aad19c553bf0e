"""Experiments on the lifetime of a PID namespace: how its init and its other processes depend on each other."""

from __future__ import annotations

import errno
import signal

from sigtrace.lab.actor import Actor
from sigtrace.lab.channel import wait_until
from sigtrace.lab.experiment import EventRow, Lab, about, experiment, verdicts


@experiment("init-death", "an init dies and takes every member with it")
def init_death(lab: Lab) -> None:
    """When the init of a namespace exits, for whatever reason, the kernel sends SIGKILL to every process in
    it and in the namespaces below, and waits until all are gone and reaped; no handler helps. A zombie
    whose parent is outside and does not wait for it holds the init there: the container "stuck
    terminating"."""
    namespace = lab.namespace()
    joined = namespace.joined()
    nested = namespace.init.namespace()
    members = [namespace.member(), nested.init, nested.member(), joined]
    for member in members:
        member.set("handler", signal.SIGTERM)
    lab.forget()
    namespace.init.channel.request("os._exit(7)")
    wait_until(lambda: not _alive(members), "every member to end")
    lab.check(
        "pid 1 calls exit(7): members alive, of 4, two of them in a nested namespace", 0, _alive(members)
    )
    lab.check("the one with a parent outside, who does not wait for it", "Z", joined.stat_state())
    lab.check("has pid 1 ended?", "runs on", namespace.init.fate(0))
    lab.check("the parent outside waits at last", "is killed by SIGKILL", joined.fate())
    lab.check("what becomes of pid 1", "exits with code 7", namespace.init.fate())
    lab.recorded("SIGKILLs that the kernel sent to the members", 4, lambda rows: _killed(rows, members))


@experiment("dead-namespace", "a dead namespace, kept by an open file or a bind mount")
def dead_namespace(lab: Lab) -> None:
    """An open file or a bind mount keeps a namespace's inode after its init has died, but not its life:
    nothing can be born in it any more. Its number is not given to a new namespace as long as it is kept."""
    namespace, keeper = lab.namespace(), lab.stage.actor()
    path = f"/proc/{namespace.init.pid}/ns/pid"
    keeper(f"held = os.open({path!r}, os.O_RDONLY | os.O_CLOEXEC)")
    keeper("private_mounts()")
    keeper("mount('tmpfs', '/tmp', 'tmpfs')")
    keeper("os.close(os.open('/tmp/pid', os.O_CREAT | os.O_WRONLY))")
    keeper(f"mount({path!r}, '/tmp/pid', flags=syscalls.MS_BIND)")
    namespace.init.end()
    lab.check("SIGKILL to the init from outside", "is killed by SIGKILL", namespace.init.fate())
    lab.check("fork in the namespace", "ENOMEM", _fork(namespace.holder))
    kept = keeper("[os.fstat(held).st_ino, os.stat('/tmp/pid').st_ino]")
    lab.check("ask the open file and the bind mount for its inode", [namespace.inode] * 2, kept)
    keeper("setns(held)")
    lab.check("setns to it through the file, then fork", "ENOMEM", _fork(keeper))
    fresh = [lab.namespace().inode for _ in range(3)]
    lab.check("make three namespaces: is one of them numbered the same?", False, namespace.inode in fresh)


@experiment("orphans-zombies", "orphans are adopted by pid 1, zombies if it does not reap")
def orphans_zombies(lab: Lab) -> None:
    """A process whose parent dies becomes the init's child. When it ends it is a zombie until the init
    waits for it; an init that never does collects them. SIGCHLD to an init without a handler is ignored by
    default: no drop. With SIGCHLD set to SIG_IGN the kernel reaps by itself."""
    namespace = lab.namespace()
    init, parent = namespace.init, namespace.member()
    orphan, second = parent.fork(), parent.fork()
    for child in (orphan, second):
        child("prctl(syscalls.PR_SET_PDEATHSIG, 0)")
    lab.forget()
    parent.channel.request("os._exit(0)")
    wait_until(lambda: not parent.alive(), "the parent to exit")
    lab.check("the parent of two processes exits: who is their parent now?", [1, 1], _parents(orphan, second))
    orphan.end()
    lab.check("one of them dies, and the init does not wait", "Z", orphan.stat_state())
    lab.recorded(
        "SIGCHLD to the init",
        "default_ignored",
        lambda rows: " ".join(sorted(set(verdicts(rows, init, signal.SIGCHLD)))),
    )
    lab.check("the init calls waitid", "killed by signal 9", _reaped(init, orphan))
    lab.check("the zombie's state now (X: there is none)", "X", orphan.stat_state())
    init.set("ignore", signal.SIGCHLD)
    second.end()
    wait_until(lambda: second.stat_state() == "X", "the kernel to reap")
    lab.check("SIGCHLD set to SIG_IGN, the other dies, nobody waits", "X", second.stat_state())


def _alive(actors: list[Actor]) -> int:
    return sum(actor.alive() for actor in actors)


def _fork(actor: Actor) -> str:
    try:
        return f"pid {actor.fork().own_pid}"
    except OSError as err:
        return errno.errorcode[err.errno or 0]


def _killed(rows: list[EventRow], actors: list[Actor]) -> int:
    kills = [row for row in rows if _is_kernel_kill(row)]
    return sum(any(about(row, actor) for row in kills) for actor in actors)


def _is_kernel_kill(row: EventRow) -> bool:
    return (row["stage"], row["signal"], row["relation"]) == ("generate", signal.SIGKILL, "kernel")


def _parents(*actors: Actor) -> list[int]:
    return [actor("getppid()") for actor in actors]


def _reaped(init: Actor, child: Actor) -> str:
    how, code = init(f"wait({child.own_pid}, 5)")
    return f"killed by signal {code}" if how == 2 else f"si_code {how}, status {code}"
