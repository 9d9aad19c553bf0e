"""What is run of a Kubernetes manifest or a compose file, and how it is stopped."""

from __future__ import annotations

from pathlib import Path

import pytest

from sigtrace.check.pod_file import Listed, parse, read
from sigtrace.errors import BadInput

DEPLOYMENT = b"""
apiVersion: v1
kind: Service
metadata: {name: web}
---
apiVersion: apps/v1
kind: Deployment
spec:
  template:
    spec:
      terminationGracePeriodSeconds: 45
      securityContext: {runAsUser: 1000, runAsGroup: 2000}
      initContainers:
      - {name: migrate, image: "db:1"}
      - {name: proxy, image: "proxy:1", restartPolicy: Always}
      containers:
      - name: web
        image: shop/web:2.1
        command: [web, --port, $(PORT)]
        args: ["$$(PORT)", $(UNKNOWN)]
        workingDir: /srv
        env:
        - {name: PORT, value: "8080"}
        - {name: PASSWORD, valueFrom: {secretKeyRef: {name: a, key: b}}}
        volumeMounts: [{name: data, mountPath: /data}]
        lifecycle:
          stopSignal: SIGQUIT
          preStop: {exec: {command: [sleep, "5"]}}
"""

COMPOSE = b"""
services:
  web:
    image: shop/web:${TAG:-2.1}
    entrypoint: web --name "a b"
    command: ["--price", "$$5", "$PORT"]
    environment: {PORT: 80, DEBUG: true, UNSET: }
    stop_signal: SIGQUIT
    stop_grace_period: 1m30s
    init: true
    user: "1000"
  worker:
    image: shop/worker
    environment: [MODE=fast, HOME]
    volumes: [.:/src]
"""


def only(text: bytes) -> Listed:
    (found,) = parse(text)
    return found


def test_a_deployment_with_words_variables_user_grace_and_stop_signal() -> None:
    web, proxy = parse(DEPLOYMENT)
    assert (web.wanted.title, web.wanted.image) == ("web", "shop/web:2.1")
    assert web.wanted.entrypoint == ("web", "--port", "8080")
    assert web.wanted.words == ("$(PORT)", "$(UNKNOWN)")
    assert web.wanted.options == ("--env=PORT=8080", "--workdir=/srv", "--user=1000:2000")
    assert (web.grace, web.signal) == (45, 3)
    hook, variables, volumes = web.uncovered
    assert "preStop hook is not run here" in hook
    assert "part of the 45 s" in hook
    assert "PASSWORD" in variables
    assert volumes.startswith("its volumes are not mounted here")
    assert (proxy.wanted.title, proxy.signal, proxy.uncovered) == ("proxy", None, ())


def test_pods_cron_jobs_and_lists() -> None:
    pod = b'{"kind": "Pod", "spec": {"containers": [{"name": "a", "image": "i"}]}}'
    assert (only(pod).wanted.words, only(pod).wanted.entrypoint, only(pod).grace) == ((), (), 30)
    job = (
        b'{"kind":"CronJob","spec":{"jobTemplate":{"spec":{"template":'
        + pod.replace(b'"kind": "Pod", ', b"")
        + b"}}}}"
    )
    assert only(job).wanted.image == "i"
    assert only(b'{"kind": "List", "items": [' + pod + b"]}") == only(pod)


def test_a_pod_that_shares_its_processes_is_told_apart() -> None:
    pod = b'{"kind":"Pod","spec":{"shareProcessNamespace":true,"containers":[{"name":"a","image":"i"}]}}'
    (sentence,) = only(pod).uncovered
    assert "not PID 1" in sentence


def test_a_compose_file_with_words_variables_init_grace_and_stop_signal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("TAG", raising=False)
    monkeypatch.setenv("PORT", "81")
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.delenv("UNSET", raising=False)
    web, worker = parse(COMPOSE)
    assert web.wanted.image == "shop/web:2.1"
    assert web.wanted.entrypoint == ("web", "--name", "a b")
    assert web.wanted.words == ("--price", "$5", "81")
    assert web.wanted.options == ("--env=PORT=80", "--env=DEBUG=true", "--init", "--user=1000")
    assert (web.grace, web.signal) == (90, 3)
    assert worker.wanted.options == ("--env=MODE=fast", "--env=HOME=/home/me")
    assert (worker.grace, worker.signal) == (10, None)
    assert len(worker.uncovered) == 1


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a${X}", "a"),
        ("${X:-d}", "d"),
        ("${EMPTY:-d}", "d"),
        ("${EMPTY-d}", ""),
        ("${SET:+yes}", "yes"),
        ("${X:-${SET}}", "value"),
        ("$$X", "$X"),
    ],
)
def test_variables_of_a_compose_file(text: str, found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("SET", "value"), ("EMPTY", "")):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("X", raising=False)
    service = {"services": {"a": {"image": "i", "command": [text]}}}
    import json

    assert only(json.dumps(service).encode()).wanted.words == (found,)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[1, 2]",
        b"\xff\xfe\x00",
        b"a: [",
        b"[" * 100_000,
        b"!!python/object/apply:os.system [id]",
        b"kind: Pod",
        b"kind: Pod\nspec: {containers: 7}",
        b"kind: Pod\nspec: {containers: [7]}",
        b"kind: Pod\nspec: {containers: [{name: a}]}",
        b"kind: Pod\nspec: {containers: [{name: a, image: --privileged}]}",
        b"kind: Pod\nspec: {containers: [{name: a, image: {a: b}}]}",
        b"kind: Pod\nspec: {terminationGracePeriodSeconds: x, containers: [{name: a, image: i}]}",
        b"services: {a: {build: .}}",
        b"services: {a: {image: i, command: 'a \"b'}}",
        b"services: {a: {image: i, stop_grace_period: soon}}",
        b"services: {a: {image: i, stop_signal: SIGNOSUCH}}",
        b"services: {a: {image: '${X:?give it}'}}",
        b"services: {a: &a {image: i, command: [*a]}}",
    ],
)
def test_what_is_no_such_file_is_refused_in_a_sentence(text: bytes) -> None:
    with pytest.raises(BadInput):
        parse(text)


def test_a_file_that_is_missing_or_too_large(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="No such file"):
        read(str(tmp_path / "missing.yaml"))
    (tmp_path / "large.yaml").write_bytes(b"#" * (5 << 20))
    with pytest.raises(BadInput, match="more than 1 MiB"):
        read(str(tmp_path / "large.yaml"))
