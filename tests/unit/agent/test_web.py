"""The agent's HTTP server: who may read, over what, and that nobody can hold it up."""

from __future__ import annotations

import base64
import socket
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path

import bcrypt
import pytest
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.parser import text_string_to_metric_families

from sigtrace.agent import web
from sigtrace.agent.settings import Metrics
from sigtrace.agent.web import Web
from sigtrace.errors import BadInput
from tests.patience import patient


@contextmanager
def serving(healthy: Callable[[], bool] = lambda: True, **settings: object) -> Iterator[Web]:
    registry = CollectorRegistry()
    Gauge("answer", "of everything", registry=registry).set(42)
    server = Web(Metrics(**{"listen": ("127.0.0.1", 0), **settings}), registry, healthy, lambda: True)  # type: ignore[arg-type]
    try:
        yield server
    finally:
        server.close()


def get(
    server: Web, path: str = "/metrics", headers: Mapping[str, str] | None = None
) -> tuple[int, str, str]:
    """Return the code, the type and the text of an answer."""
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}{path}", headers=dict(headers or {}))
    try:
        with urllib.request.urlopen(request, timeout=patient(30)) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as err:
        return err.code, err.headers["Content-Type"], err.read().decode()


def basic(name: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def test_metrics_are_text_and_openmetrics_for_who_asks_for_it() -> None:
    with serving() as server:
        code, kind, text = get(server)
        assert (code, kind.split(";")[0]) == (200, "text/plain")
        assert [family.name for family in text_string_to_metric_families(text)] == ["answer"]
        _, kind, text = get(server, headers={"Accept": "application/openmetrics-text; version=1.0.0"})
        assert kind.startswith("application/openmetrics-text")
        assert text.endswith("# EOF\n")


def test_health_is_a_status_code() -> None:
    for fine, code in ((True, 200), (False, 503)):
        with serving(lambda fine=fine: fine) as server:  # type: ignore[misc]
            assert get(server, "/-/healthy")[0] == code
            assert get(server, "/-/ready")[0] == 200


def test_other_paths_are_not_found() -> None:
    with serving() as server:
        assert get(server, "/etc/passwd")[0] == get(server, "/metrics/..")[0] == 404
        assert get(server, "/")[0] == get(server, "/metrics?x=1")[0] == 200


def test_only_users_with_their_password_may_read() -> None:
    hashed = bcrypt.hashpw(b"right", bcrypt.gensalt(4)).decode()
    with serving(basic_auth_users={"ann": hashed}) as server:
        others = (
            {},
            basic("ann", "wrong"),
            basic("bob", "right"),
            basic("ann", ""),
            {"Authorization": "Basic !"},
        )
        for headers in others:
            assert get(server, headers=headers)[0] == 401, headers
        assert get(server, headers=basic("ann", "right"))[0] == 200
        assert get(server, headers=basic("ann", "right"))[0] == 200
        assert get(server, headers=basic("ann", "wrong"))[0] == 401
        assert get(server, "/-/healthy")[0] == 200


def test_tls_is_spoken_with_a_certificate(tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    words = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    words += f" -addext subjectAltName=IP:127.0.0.1 -keyout {key} -out {cert}"
    subprocess.run(words.split(), check=True, capture_output=True)
    known = ssl.create_default_context(cafile=cert)
    with serving(cert_file=cert, key_file=key) as server:
        url = f"https://127.0.0.1:{server.port}/metrics"
        with urllib.request.urlopen(url, context=known, timeout=patient(30)) as answer:
            assert b"answer 42" in answer.read()
        with pytest.raises((OSError, HTTPException)):
            get(server)  # without TLS


def test_a_certificate_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("nonsense")
    with pytest.raises(BadInput, match=r"the certificate .*cert.pem with the key .*cert.pem"):
        Web(
            Metrics(listen=("127.0.0.1", 0), cert_file=tmp_path / "cert.pem", key_file=tmp_path / "cert.pem"),
            CollectorRegistry(),
            lambda: True,
            lambda: True,
        )


def test_an_address_that_is_taken_is_one_sentence() -> None:
    with (
        serving() as server,
        pytest.raises(BadInput, match=rf"cannot listen on 127.0.0.1:{server.port}: Address"),
    ):
        Web(Metrics(listen=("127.0.0.1", server.port)), CollectorRegistry(), lambda: True, lambda: True)


def test_clients_that_say_nothing_hold_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "_SECONDS", 0.3)
    with serving() as server:
        silent = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(3 * web._CLIENTS)]
        try:
            assert get(server)[0] == 200
        finally:
            for each in silent:
                each.close()
