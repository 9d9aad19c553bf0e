"""What can go wrong, as the user should hear it: one sentence that says what, and what to do."""

from __future__ import annotations


class SigtraceError(Exception):
    """Base of every error sigtrace raises on purpose; `str()` is one clear sentence for the user."""


class BadInput(SigtraceError):
    """An argument that names nothing: an unknown signal, a dead PID, an inode that is no PID namespace."""


class NotInstalled(BadInput, AttributeError):
    """A part of the library that needs a package which is not there: hasattr() and help() go by without it."""


class CannotTrace(SigtraceError):
    """This host cannot trace: a privilege, a kernel feature or bcc is missing. Says which and how to get it."""


class CompileFailed(CannotTrace):
    """bcc is there but refused the programs; the compiler's own words follow the sentence."""


class LoadRefused(CannotTrace):
    """The kernel refused a map, a program or an attachment; the errno and the verifier's words are kept."""
