"""The HTTP server: /metrics, /-/healthy and /-/ready. It listens on loopback unless told otherwise.

TLS and passwords work as in Prometheus' web configuration: a certificate with its key, and users with bcrypt hashes.
Whoever connects gets a few seconds and one of a few threads: nobody can hold the agent up.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
import os
import socket
import socketserver
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from sigtrace._version import __version__
from sigtrace.agent.settings import Metrics
from sigtrace.errors import BadInput
from sigtrace.text import printable

if TYPE_CHECKING:
    import ssl

_SECONDS = 10.0
"""How long a client may take."""
_CLIENTS = 8
"""Clients that are served at the same time; others wait, up to the length of the kernel's queue."""
_REMEMBERED = 64
_NOBODY = "$2b$10$nbW9rp5KGPxpwwJ3aGkkqOdBAesSXj7QxqGItVZRuJtj0lFeS1wgW"
"""A hash that no password is known for: to look up an unknown user takes as long as a known one."""
_PAGE = b"""<!doctype html><title>sigtrace agent</title><h1>sigtrace agent</h1>
<p><a href="/metrics">Metrics</a></p>
"""


class Web:
    """Serves a registry. healthy, ready: whether the agent is. Raises BadInput if it cannot listen."""

    def __init__(
        self,
        settings: Metrics,
        registry: CollectorRegistry,
        healthy: Callable[[], bool],
        ready: Callable[[], bool],
    ) -> None:
        assert settings.listen is not None
        host, port = settings.listen
        self._users = _Users(settings.basic_auth_users)
        context = _context(settings.cert_file, settings.key_file)
        pages = {"/-/healthy": healthy, "/-/ready": ready}
        users = self._users

        class Handler(_Handler):
            def serve(self) -> None:
                self.answer(registry, pages, users)

        try:
            self._server = _Server(host, port, Handler, context)
        except (OSError, OverflowError) as err:
            where = f"{host or '*'}:{port}"
            raise BadInput(
                f"cannot listen on {printable(where)}: {getattr(err, 'strerror', err) or err}"
            ) from err
        self._thread = threading.Thread(target=self._server.serve_forever, name="web", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


class _Server(socketserver.ThreadingMixIn, HTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 32

    def __init__(
        self, host: str, port: int, handler: type[BaseHTTPRequestHandler], context: ssl.SSLContext | None
    ) -> None:
        everywhere = not host and socket.has_dualstack_ipv6()
        self.address_family = socket.AF_INET6 if everywhere or ":" in host else socket.AF_INET
        self._dual = everywhere
        self._context = context
        self._free = threading.BoundedSemaphore(_CLIENTS)
        super().__init__((host, port), handler)

    def server_bind(self) -> None:
        """Listen on all addresses of both kinds if no host is given."""
        if self._dual:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        socketserver.TCPServer.server_bind(self)  # HTTPServer's would look up the host's name

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve a client in a thread of its own, if there is one left within a client's time."""
        if not self._free.acquire(timeout=_SECONDS):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one client; TLS begins here, and not where others would wait for it."""
        try:
            request.settimeout(_SECONDS)
            if self._context is not None:
                request = self._context.wrap_socket(request, server_side=True)
            super().process_request_thread(request, client_address)
        except OSError:  # it left, or speaks no TLS
            self.shutdown_request(request)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that leave."""


class _Handler(BaseHTTPRequestHandler):
    server_version = f"sigtrace/{__version__}"
    sys_version = ""
    protocol_version = "HTTP/1.0"

    def serve(self) -> None:
        raise NotImplementedError

    def do_GET(self) -> None:
        self.serve()

    do_HEAD = do_GET

    def answer(
        self, registry: CollectorRegistry, pages: Mapping[str, Callable[[], bool]], users: _Users
    ) -> None:
        """Answer a request."""
        path = self.path.partition("?")[0]
        if path in pages:  # an orchestrator asks without a password
            fine = pages[path]()
            self._send(200 if fine else 503, b"OK\n" if fine else b"not well\n", "text/plain; charset=utf-8")
        elif not users.may_read(self.headers.get("Authorization", "")):
            self._send(
                401, b"a name and a password are needed\n", "text/plain", {"WWW-Authenticate": "Basic"}
            )
        elif path == "/metrics":
            encode, kind = choose_encoder(self.headers.get("Accept", ""))
            self._send(200, encode(registry), kind)
        elif path == "/":
            self._send(200, _PAGE, "text/html; charset=utf-8")
        else:
            self._send(404, b"there are /metrics, /-/healthy and /-/ready\n", "text/plain")

    def _send(self, code: int, body: bytes, kind: str, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(code)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing of requests."""


class _Users:
    """Who may read: users with bcrypt hashes; everybody if there are none."""

    def __init__(self, users: Mapping[str, str]) -> None:
        self._users = users
        self._salt = os.urandom(32)
        if users:
            import bcrypt  # now, not in the thread of a client

            self._check = bcrypt.checkpw
        self._right: dict[bytes, None] = {}
        """Digests of names and passwords that were right: bcrypt takes 60 ms by design, and a scrape comes often."""

    def may_read(self, authorization: str) -> bool:
        """Return whether the header of a request has the name and the password of a user."""
        if not self._users:
            return True
        kind, _, word = authorization.partition(" ")
        if kind.lower() != "basic":
            return False
        try:
            name, _, password = base64.b64decode(word, validate=True).partition(b":")
        except binascii.Error:
            return False
        digest = hmac.new(self._salt, name + b":" + password, hashlib.sha256).digest()
        if digest in self._right:
            return True
        hashed = self._users.get(name.decode(errors="replace"), _NOBODY)
        with contextlib.suppress(ValueError):
            if self._check(password[:72], hashed.encode()) and hashed is not _NOBODY:
                if len(self._right) >= _REMEMBERED:
                    self._right.clear()
                self._right[digest] = None
                return True
        return False


def _context(cert: Path | None, key: Path | None) -> ssl.SSLContext | None:
    if cert is None or key is None:
        return None
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(cert, key)
    except (OSError, ssl.SSLError) as err:
        what = getattr(err, "strerror", None) or getattr(err, "reason", None) or err
        raise BadInput(
            f"the certificate {printable(str(cert))} with the key {printable(str(key))}: {what}"
        ) from err
    return context
