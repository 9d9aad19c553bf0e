"""A command as PID 1: in a PID and a mount namespace of its own, on the network and the files of this host.

Without root this happens in a user namespace, in which the user keeps their ID. All of it lives below another PID
namespace, whose init ends with this process: nothing outlives us, not even what changes its user ID.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from sigtrace.check.output import Output
from sigtrace.check.subject import End
from sigtrace.errors import BadInput
from sigtrace.lab.actor import Actor, Namespace
from sigtrace.lab.channel import DEADLINE, ActorGone, ActorSilent, NoNamespaces, readable
from sigtrace.lab.stage import Stage
from sigtrace.lab.syscalls import CLONE_NEWPID, CLONE_NEWUSER
from sigtrace.text import printable

_OWN_IDS = "for name, text in (('setgroups', 'deny'), ('uid_map', '{0} {0} 1'), ('gid_map', '{1} {1} 1')):\n"
_OWN_IDS += "    with open('/proc/self/' + name, 'w') as file: file.write(text)"


class Command:
    """A `subject.Subject`: words, as execvp(3) takes them."""

    def __init__(self, words: tuple[str, ...]) -> None:
        self.words = words
        self._stage = Stage()
        self._gate: Actor | None = None
        """Outside all PID namespaces, in the user namespace that owns them."""
        self._house: Namespace | None = None

    @property
    def name(self) -> str:
        return shlex.join(self.words)

    def __enter__(self) -> Command:
        self._stage.__enter__()
        try:
            self._gate, self._house = _build(self._stage)
        except BaseException:
            self._stage.close()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self._stage.close()

    def _furnish(self, holder: Actor) -> None:
        """Prepare what the command will find; the holder becomes the parent of its init."""
        holder("private_mounts()")

    @contextmanager
    def run(self, output: Output) -> Iterator[CommandRun]:
        """Start the command; at the end of the block its namespace is gone."""
        assert self._house is not None
        assert self._gate is not None
        holder = self._house.init.fork()
        try:
            self._furnish(holder)
            holder.channel.answer(holder.channel.request("os.dup2(descriptor(), 1)", output.writer))
            holder("os.dup2(1, 2)")
            holder(f"unshare({CLONE_NEWPID})")
            output.close_writer()
            running = CommandRun(Namespace(holder), self._gate, self.words)
            try:
                yield running
            finally:
                running.close()
        finally:
            holder.dismiss()


class CommandRun:
    """A `subject.Running`: the command, once it was executed."""

    def __init__(self, space: Namespace, gate: Actor, words: tuple[str, ...]) -> None:
        self._space, self._gate = space, gate
        self._end: End | None = None
        self._doors: list[Actor] = []
        init = space.init
        with contextlib.suppress(
            PermissionError
        ):  # one of the host is mounted over in part: it stays visible
            init("mount('proc', '/proc', 'proc')")
        init("os.setsid()")
        _execute(init, words)
        number = init.pid_in(space.holder.space)
        self._reaping = space.holder.channel.request(f"os.waitpid({number}, 0)[1]")

    @property
    def pid(self) -> int:
        return self._space.init.pid

    def send(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._space.init.pidfd, number)

    def wait(self, seconds: float) -> End | None:
        if self._end is None and readable(self._space.init.pidfd, seconds):
            with contextlib.suppress(ActorSilent):
                code = os.waitstatus_to_exitcode(self._space.holder.channel.answer(self._reaping))
                self._end = End(code) if code >= 0 else End(signal=-code)
        return self._end

    def door(self) -> Actor | None:
        door = self._gate.fork()
        self._doors.append(door)
        door.enter(self._space)
        return door

    def close(self) -> None:
        """End it, with everything in its namespace."""
        for door in self._doors:
            door.dismiss()
        self.send(signal.SIGKILL)
        self.wait(DEADLINE)


def _build(stage: Stage) -> tuple[Actor, Namespace]:
    """Return the gate and the house. Raises NoNamespaces."""
    gate = stage.outside.fork()
    try:
        try:
            return gate, _house(gate)
        except PermissionError:  # not root, or root without CAP_SYS_ADMIN
            gate(f"unshare({CLONE_NEWUSER})")
            gate(_OWN_IDS.format(os.geteuid(), os.getegid()))
            return gate, _house(gate)
    except OSError as err:
        raise NoNamespaces(
            f"cannot create a PID namespace ({err.strerror}): run as root, in a container with CAP_SYS_ADMIN, or let "
            "users create user namespaces (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, "
            "kernel.apparmor_restrict_unprivileged_userns=0)."
        ) from err


def _house(gate: Actor) -> Namespace:
    """Return a new PID namespace below the gate's. Raises OSError."""
    keeper = gate.fork()
    keeper(f"unshare({CLONE_NEWPID})")
    return Namespace(keeper)


def _execute(init: Actor, words: tuple[str, ...]) -> None:
    """Let an actor become the command. Raises BadInput."""
    number = init.channel.request(f"os.execvp({words[0]!r}, {list(words)!r})")
    try:
        init.channel.answer(number)  # an answer is an error; success closes the socket
    except ActorGone:
        return
    except OSError as err:
        raise BadInput(f"{printable(words[0])} cannot be run: {err.strerror}.") from err
