"""Cache of compiled programs: a later start needs no bcc and saves half a second.

Each entry is a file `KEY.json`: a line with the BLAKE2b digest of the rest, then JSON. The key covers everything that
the instructions depend on, including the kernel's release and BTF; the entry also names the bcc that made it. The
instructions are loaded into the kernel, so nobody else may be able to write them: the directory and the file have to
belong to this user and be inaccessible to others, or the cache is not used.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from sigtrace._version import __version__
from sigtrace.events import wire
from sigtrace.live.kernel.btf import OFFSETS, SIZES, TRACEPOINTS
from sigtrace.live.kernel.compile import Compiled, installed_bcc_version, source_text

_LIMIT = 4 << 20
"""Bytes read of an entry at most; one has some 50 KiB."""


class Untrusted(Exception):
    """The cache cannot be used: it is accessible to others, or fails. `str()` says why."""


def directory() -> Path:
    """Return `$XDG_CACHE_HOME/sigtrace`, else /var/cache/sigtrace for root and ~/.cache/sigtrace for others."""
    base = os.environ.get("XDG_CACHE_HOME")
    if base:
        return Path(base) / "sigtrace"
    if os.geteuid() == 0:
        return Path("/var/cache/sigtrace")
    try:
        return Path.home() / ".cache" / "sigtrace"
    except RuntimeError:
        raise Untrusted("no home directory, so no cache: every start compiles anew") from None


def key(btf_digest: bytes, direct: bool) -> str:
    """Return the key of the entry for this source, this kernel and this way to attach."""
    digest = hashlib.blake2b(digest_size=20)
    shim = sorted((wire.sources() / "shim").rglob("*.h"))
    for part in (
        __version__,
        source_text(),
        *(path.read_text() for path in shim),
        repr((OFFSETS, SIZES, TRACEPOINTS, direct)),
        os.uname().release,
        os.uname().machine,
        btf_digest.hex(),
    ):
        digest.update(f"{len(part)}:{part}".encode())  # lengths, so that no two lists of parts read alike
    return digest.hexdigest()


def read(name: str) -> Compiled | None:
    """Return the entry, or None if there is none that is complete and made by the installed version of bcc.

    Raises Untrusted if the directory or the file is accessible to others, or not readable.
    """
    try:
        with _open_directory() as at:
            raw = _read_file(at, f"{name}.json")
    except FileNotFoundError:
        return None
    except OSError as err:
        raise Untrusted(f"the cache {directory()} cannot be read: {err.strerror}; not used") from err
    return _decode(raw)


def write(name: str, compiled: Compiled) -> None:
    """Write an entry atomically. Raises Untrusted as `read` does, and if it cannot be written."""
    body = json.dumps(
        {
            "bcc": compiled.bcc_version,
            "instructions": {function: code.hex() for function, code in compiled.instructions.items()},
            "maps": {str(fd): map_name for fd, map_name in compiled.maps.items()},
            "tracepoint_ids": compiled.tracepoint_ids,
        }
    ).encode()
    temporary = f".{name}.{os.getpid()}"
    try:
        directory().mkdir(mode=0o700, parents=True, exist_ok=True)
        with _open_directory() as at:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=at)  # left by a process with this PID that was killed
            fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=at)
            with os.fdopen(fd, "wb") as file:
                file.write(_digest(body) + b"\n" + body)
            os.rename(temporary, f"{name}.json", src_dir_fd=at, dst_dir_fd=at)
    except OSError as err:
        raise Untrusted(f"the cache {directory()} cannot be written: {err.strerror}") from err


@contextlib.contextmanager
def _open_directory() -> Iterator[int]:
    # Everything below goes through this descriptor: the directory that was checked cannot be replaced meanwhile.
    at = os.open(directory(), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _check_ours(os.fstat(at), f"the cache {directory()}")
        yield at
    finally:
        os.close(at)


def _check_ours(info: os.stat_result, what: str) -> None:
    if info.st_uid != os.geteuid():
        raise Untrusted(f"{what} belongs to uid {info.st_uid}, not to uid {os.geteuid()}: not used")
    if stat.S_IMODE(info.st_mode) & 0o077:
        raise Untrusted(
            f"{what} is open to others (mode {stat.S_IMODE(info.st_mode):o}): not used; chmod go= it"
        )


def _read_file(at: int, name: str) -> bytes:
    fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=at)
    with os.fdopen(fd, "rb") as file:
        info = os.fstat(file.fileno())
        _check_ours(info, f"the cache entry {directory() / name}")
        return file.read(_LIMIT) if stat.S_ISREG(info.st_mode) else b""


def _decode(raw: bytes) -> Compiled | None:
    digest, _, body = raw.partition(b"\n")
    if digest != _digest(body):
        return None
    entry = json.loads(body)
    installed = installed_bcc_version()
    if installed is not None and installed != entry["bcc"]:
        return None
    return Compiled(
        {name: bytes.fromhex(code) for name, code in entry["instructions"].items()},
        {int(fd): name for fd, name in entry["maps"].items()},
        entry["tracepoint_ids"],
        entry["bcc"],
    )


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=20).hexdigest().encode()
