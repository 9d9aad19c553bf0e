"""Resolve the PID namespace that a user names, and compare two PID namespaces.

`survey` lists them all, `parse_ns` accepts every way to write one, `relation_of` compares two.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import stat
from dataclasses import dataclass

from sigtrace.errors import BadInput
from sigtrace.procfs import process
from sigtrace.procfs.namespaces import PidNamespace, Survey, ancestors, survey
from sigtrace.procfs.signal_target import Relation
from sigtrace.text import printable

__all__ = ["PidNamespace", "Survey", "lineage", "nsid_of_pid", "parse_ns", "relation_of", "survey"]

PID_MAX_LIMIT = 4194304
"""The greatest PID (`include/linux/threads.h`). Inodes of namespaces are greater: PROC_DYNAMIC_FIRST is 0xF0000000."""

_NS_GET_NSTYPE = 0xB703
_CLONE_NEWPID = 0x20000000
_KINDS = {
    "cgroup": "a cgroup namespace",
    "ipc": "an IPC namespace",
    "mnt": "a mount namespace",
    "net": "a network namespace",
    "pid": "a PID namespace",
    "time": "a time namespace",
    "user": "a user namespace",
    "uts": "a UTS namespace",
}


@dataclass(frozen=True)
class NsName:
    """A PID namespace as a user wrote it: one of `inode`, `pid`, `path` and `other` is set."""

    text: str
    inode: int | None = None
    pid: int | None = None
    path: str | None = None
    other: str | None = None
    """The name of another kind of namespace that was written, as in `net:[4026531840]`."""


def read_name(text: str) -> NsName:
    """Parse the name of a PID namespace, on this host or in a recording; does not check that it exists.

    A name is `4026532249`, `pid:[4026532249]`, a path (`/proc/PID/ns/pid`, a bind mount) or a PID. A bare number up
    to PID_MAX_LIMIT is a PID, a greater one an inode.
    """
    word = text.strip()
    link = re.fullmatch(r"([a-z]+):\[(\d{1,20})\]", word, re.ASCII)
    if link and link[1] in _KINDS:
        if link[1] != "pid":
            return NsName(word, other=_KINDS[link[1]])
        return NsName(word, inode=int(link[2]))
    if not re.fullmatch(r"\d{1,20}", word, re.ASCII):
        return NsName(word, path=word)
    number = int(word)
    return NsName(word, pid=number) if number <= PID_MAX_LIMIT else NsName(word, inode=number)


def parse_ns(text: str, root: str = "/proc") -> int:
    """Return the inode of the PID namespace that a user names, in any form that `read_name` accepts.

    Raises BadInput if there is no such namespace; the message says what the name stands for instead.
    """
    name = read_name(text)
    if name.other is not None:
        raise BadInput(f"{name.text} is {name.other}, not a PID namespace: {_listed(survey(root))}")
    if name.path is not None:
        return nsid_of_path(name.path)
    if name.pid is not None:
        return nsid_of_pid(name.pid, root)
    assert name.inode is not None
    number, seen = name.inode, survey(root)
    if seen.find(number):
        return number
    kind = _kind(number, root)
    if kind is None and (seen.unreadable or seen.hidden):
        raise BadInput(
            f"no visible PID namespace has the inode {number}: run sigtrace as root or grant CAP_SYS_PTRACE"
        )
    what = f"{number} is {kind}, not a PID namespace" if kind else f"no PID namespace has the inode {number}"
    raise BadInput(f"{what}: {_listed(seen)}")


def nsid_of_pid(pid: int, root: str = "/proc") -> int:
    """Return the inode of a process's PID namespace. Raises BadInput if the process is gone or not readable."""
    with process.translated(pid):
        nsid = process.namespace_of(pid, root)
    if nsid is None:
        raise BadInput(
            f"permission denied for the PID namespace of process {pid}: "
            "run sigtrace as root or grant CAP_SYS_PTRACE"
        )
    return nsid


def relation_of(sender: int, target: int, root: str = "/proc") -> Relation:
    """Return how the PID namespace of the process `sender` is related to that of `target`. Raises BadInput."""
    sender_line, target_line = lineage(sender, root), lineage(target, root)
    if sender_line[0] == target_line[0]:
        return "self" if sender == target else "same"
    if sender_line[0] in target_line:
        return "ancestor"
    return "descendant" if target_line[0] in sender_line else "other"


def lineage(pid: int, root: str = "/proc") -> tuple[int, ...]:
    """Return the inodes of the process's PID namespace, its parent, and so on up to ours. Raises BadInput."""
    nsid = nsid_of_pid(pid, root)
    with process.translated(pid):
        return (nsid, *ancestors(f"{root}/{pid}/ns/pid"))


def nsid_of_path(path: str) -> int:
    """Return the inode of the PID namespace of a namespace file. Raises BadInput if it is not one."""
    kind = None
    try:
        if stat.S_ISREG(os.stat(path).st_mode):  # opening a FIFO or a device could hang
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            with contextlib.closing(os.fdopen(fd)):
                kind, nsid = fcntl.ioctl(fd, _NS_GET_NSTYPE), os.fstat(fd).st_ino
    except PermissionError as err:
        raise BadInput(f"permission denied for {printable(path)}: run sigtrace as root") from err
    except (FileNotFoundError, NotADirectoryError, ProcessLookupError, ValueError) as err:
        raise BadInput(
            f"{path!r} is not a PID namespace: give an inode, pid:[inode], a path or a PID"
        ) from err
    except OSError:
        kind = None  # ENOTTY: a file, but not of a namespace
    if kind is None:
        raise BadInput(f"{printable(path)} is not a namespace file: give one such as /proc/PID/ns/pid")
    if kind != _CLONE_NEWPID:
        raise BadInput(f"{printable(path)} is another kind of namespace: give one such as /proc/PID/ns/pid")
    return nsid


def _kind(number: int, root: str) -> str | None:
    """Return the kind of namespace that has this inode, from the links of every process; None if none has it."""
    for pid in process.pids(root):
        for name, words in _KINDS.items():
            with contextlib.suppress(OSError):
                if os.readlink(f"{root}/{pid}/ns/{name}") == f"{name}:[{number}]":
                    return words
    return None


def _listed(seen: Survey, most: int = 8) -> str:
    """List the PID namespaces, for the end of a message."""
    inodes = [str(each.nsid) for each in seen.namespaces if each.nsid is not None]
    more = f" and {len(inodes) - most} more" if len(inodes) > most else ""
    return f"the PID namespaces are {', '.join(inodes[:most])}{more}; `sigtrace scan` shows them"
