"""The exceptions of sigtrace. Each message is one sentence for the user: what is wrong, and what to do about it."""

from __future__ import annotations


class SigtraceError(Exception):
    """Base class of all errors that sigtrace raises on purpose; `str()` is the sentence for the user."""


class BadInput(SigtraceError):
    """An argument is invalid: an unknown signal, a PID that does not exist, an inode of no PID namespace."""


class NoSuchContainer(BadInput):
    """No container or pod matches a name; it may start later.

    remedy: how to wait for it, which is an option on the command line and an argument in the library.
    """

    def __init__(self, sentence: str, remedy: str = "") -> None:
        super().__init__(f"{sentence}; if it has yet to start: {remedy}" if remedy else sentence)
        self.sentence = sentence
        """The message without the remedy."""


class NotInstalled(BadInput, AttributeError):
    """A part of the library that needs a package which is not there: hasattr() and help() go by without it."""


class CannotTrace(SigtraceError):
    """This host cannot trace: a privilege, a kernel feature or bcc is missing. The message says how to get it."""


class CompileFailed(CannotTrace):
    """bcc is installed but could not compile the programs; the compiler's output follows the sentence."""


class LoadRefused(CannotTrace):
    """The kernel refused a map, a program or an attachment. Keeps the errno and the end of the verifier's log."""
