"""The containers of a Kubernetes manifest or a compose file: what is run, and how it is stopped.

Files are read as what anybody may have written: whatever they contain is either understood, or refused in one sentence.
"""

from __future__ import annotations

import itertools
import os
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sigtrace import signals
from sigtrace.check.image import Wanted
from sigtrace.errors import BadInput, SigtraceError
from sigtrace.moments import span
from sigtrace.text import printable, shorten
from sigtrace.units import SECOND, duration

_MOST_BYTES = 1 << 20
_MOST_DOCUMENTS = 1000
_KUBERNETES_GRACE, _COMPOSE_GRACE = 30.0, 10.0
_LONGEST_GRACE = 24 * 3600.0
_TEMPLATES = ("spec", "template", "spec")
_POD_SPEC = {
    "Pod": ("spec",),
    "CronJob": ("spec", "jobTemplate", *_TEMPLATES),
    "PodTemplate": _TEMPLATES[1:],
    **dict.fromkeys(
        ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job"), _TEMPLATES
    ),
}
"""Where each kind has its pod's specification."""
_KUBERNETES_VARIABLE = re.compile(r"\$\$|\$\(([A-Za-z_.-][A-Za-z0-9_.-]*)\)")
_COMPOSE_VARIABLE = re.compile(r"\$(?:\$|(\w+)|\{(\w+)(?:(:?[-?+])((?:[^{}]|\{[^{}]*\})*))?\})", re.ASCII)


@dataclass(frozen=True)
class Listed:
    """One container of a file."""

    wanted: Wanted
    grace: float
    """Seconds."""
    signal: int | None = None
    """Its stop signal; None: the image's."""
    uncovered: tuple[str, ...] = ()
    """What of it is not checked, in sentences."""


def read(path: str) -> list[Listed]:
    """Return the containers of a file, in its order. Raises BadInput, and SigtraceError without PyYAML."""
    try:
        with open(path, "rb") as file:
            raw = file.read(_MOST_BYTES + 1)
    except OSError as err:
        raise BadInput(f"{printable(path)} cannot be read: {err.strerror}.") from err
    if len(raw) > _MOST_BYTES:
        raise BadInput(f"{printable(path)} has more than {_MOST_BYTES >> 20} MiB: that is no manifest.")
    return parse(raw, path)


def parse(raw: bytes, path: str = "the file") -> list[Listed]:
    """Return the containers of a file's content. Raises as `read`."""
    found = [each for document in _documents(raw, path) for each in _listed(document)]
    if not found:
        raise BadInput(
            f"{printable(path)} has no containers: it is no pod, has no pod template and no services."
        )
    return found


def _documents(raw: bytes, path: str) -> list[Any]:
    try:
        import yaml
    except ModuleNotFoundError as err:
        raise SigtraceError("reading YAML needs PyYAML: pip install 'sigtrace[check]'") from err
    try:
        return list(
            itertools.islice(
                yaml.load_all(raw, getattr(yaml, "CSafeLoader", yaml.SafeLoader)), _MOST_DOCUMENTS
            )
        )
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError, TypeError, AttributeError) as err:
        line = getattr(getattr(err, "problem_mark", None), "line", None)
        where = "" if line is None else f", line {line + 1}"
        raise BadInput(f"{printable(path)}{where} is not YAML that can be read.") from err


def _listed(document: Any) -> Iterator[Listed]:
    if not isinstance(document, dict):
        return
    if isinstance(document.get("services"), dict):
        for name, service in document["services"].items():
            yield _service(str(name), _mapping(service, f"service {name}"))
        return
    items = document.get("items")
    if isinstance(items, list):
        for item in items:
            yield from _listed(item) if item is not document else ()
        return
    place: Any = document
    for key in _POD_SPEC.get(str(document.get("kind")), ()):
        place = place.get(key) if isinstance(place, dict) else None
    if place is not document and isinstance(place, dict):
        yield from _pod(place)


# Kubernetes -------------------------------------------------------------------------------------------


def _pod(spec: Mapping[str, Any]) -> Iterator[Listed]:
    period = spec.get("terminationGracePeriodSeconds")
    grace = _KUBERNETES_GRACE if period is None else _number(period, "terminationGracePeriodSeconds")
    for container in _list(spec.get("containers"), "containers"):
        yield _container(_mapping(container, "a container"), spec, grace)
    for container in _list(spec.get("initContainers"), "initContainers"):
        known = _mapping(container, "an init container")
        if known.get("restartPolicy") == "Always":  # a sidecar
            yield _container(known, spec, grace)


def _container(container: Mapping[str, Any], spec: Mapping[str, Any], grace: float) -> Listed:
    name = _text(container.get("name"), "a container's name") or "container"
    environment, unknown = _environment(container, name)

    def expanded(key: str) -> tuple[str, ...]:
        words = _words(container.get(key), f"{key} of {name}")
        return tuple(
            _KUBERNETES_VARIABLE.sub(lambda found: _variable(found, environment), word) for word in words
        )

    options = [f"--env={key}={value}" for key, value in environment.items()]
    if directory := _text(container.get("workingDir"), f"workingDir of {name}"):
        options.append(f"--workdir={directory}")
    if user := _user(container, spec):
        options.append(f"--user={user}")
    lifecycle = _mapping(container.get("lifecycle") or {}, f"lifecycle of {name}")
    asked = _text(lifecycle.get("stopSignal"), f"stopSignal of {name}")
    return Listed(
        Wanted(_image(container, name), expanded("args"), expanded("command"), tuple(options), name),
        grace,
        signals.parse(asked) if asked else None,
        tuple(_uncovered(container, spec, lifecycle, unknown, grace)),
    )


def _variable(found: re.Match[str], environment: Mapping[str, str]) -> str:
    return "$" if found[0] == "$$" else environment.get(found[1], found[0])


def _environment(container: Mapping[str, Any], name: str) -> tuple[dict[str, str], list[str]]:
    """Return the variables with their values, and the names of those whose value is elsewhere."""
    known, unknown = {}, []
    for entry in _list(container.get("env"), f"env of {name}"):
        variable = _mapping(entry, f"env of {name}")
        key = _text(variable.get("name"), f"env of {name}")
        if "valueFrom" in variable:
            unknown.append(key)
        else:
            known[key] = _text(variable.get("value"), f"env of {name}")
    return known, unknown


def _user(container: Mapping[str, Any], spec: Mapping[str, Any]) -> str:
    pod = _mapping(spec.get("securityContext") or {}, "securityContext")
    both = {**pod, **_mapping(container.get("securityContext") or {}, "securityContext")}
    user, group = both.get("runAsUser"), both.get("runAsGroup")
    if not isinstance(user, int):
        return ""
    return f"{user}:{group}" if isinstance(group, int) else str(user)


def _uncovered(
    container: Mapping[str, Any],
    spec: Mapping[str, Any],
    lifecycle: Mapping[str, Any],
    unknown: list[str],
    grace: float,
) -> Iterator[str]:
    if lifecycle.get("preStop"):
        yield (
            "its preStop hook is not run here: in Kubernetes it runs before the stop signal is sent, and its time is "
            f"part of the {duration(grace * SECOND)} of terminationGracePeriodSeconds"
        )
    if spec.get("shareProcessNamespace") is True:
        yield (
            "the pod shares a PID namespace (shareProcessNamespace), in which it is not PID 1: there a signal without "
            "a handler ends it, and somebody else reaps"
        )
    if unknown or container.get("envFrom"):
        names = shorten(", ".join(map(printable, unknown)) or "some", 60)
        yield f"variables whose values are elsewhere are not set here ({names}): --run-arg=--env=NAME=VALUE sets one"
    if container.get("volumeMounts"):
        yield "its volumes are not mounted here: --run-arg=--volume=HOST:CONTAINER mounts one"


# compose ----------------------------------------------------------------------------------------------


def _service(name: str, service: Mapping[str, Any]) -> Listed:
    if service.get("image") is None and service.get("build") is not None:
        raise BadInput(
            f"service {printable(name)} has no image, only a build: build it, and name its image in the file."
        )
    options = [f"--env={key}={value}" for key, value in _variables(service, name)]
    if service.get("init") is True:
        options.append("--init")
    for key, option in (("user", "--user"), ("working_dir", "--workdir")):
        if value := _interpolated(_text(service.get(key), f"{key} of {name}")):
            options.append(f"{option}={value}")
    asked = _interpolated(_text(service.get("stop_signal"), f"stop_signal of {name}"))
    period = service.get("stop_grace_period")
    uncovered = []
    if service.get("volumes"):
        uncovered.append("its volumes are not mounted here: --run-arg=--volume=HOST:CONTAINER mounts one")
    if service.get("env_file"):
        uncovered.append("its env_file is not read here: --run-arg=--env-file=FILE does it")
    return Listed(
        Wanted(
            _interpolated(_image(service, name)),
            _command_line(service.get("command"), f"command of {name}"),
            _command_line(service.get("entrypoint"), f"entrypoint of {name}"),
            tuple(options),
            name,
        ),
        _COMPOSE_GRACE if period is None else _duration(period, f"stop_grace_period of {name}"),
        signals.parse(asked) if asked else None,
        tuple(uncovered),
    )


def _variables(service: Mapping[str, Any], name: str) -> Iterator[tuple[str, str]]:
    """Yield the variables; one without a value has that of our environment, as compose does it."""
    given, what = service.get("environment") or {}, f"environment of {name}"
    if isinstance(given, list):
        pairs = [str(each).partition("=") for each in given]
        given = {key: value if separator else None for key, separator, value in pairs}
    for key, value in _mapping(given, what).items():
        if value is not None:
            yield str(key), _interpolated(_text(value, what))
        elif key in os.environ:
            yield str(key), os.environ[key]


def _command_line(value: Any, what: str) -> tuple[str, ...]:
    if isinstance(value, str):
        try:
            return tuple(shlex.split(_interpolated(value)))
        except ValueError as err:
            raise BadInput(f"{printable(what)} is not a command line: {err}.") from err
    return tuple(map(_interpolated, _words(value, what)))


def _interpolated(text: str) -> str:
    """Replace `$NAME`, `${NAME}`, `${NAME:-default}` and `$$`, as compose does. Raises BadInput."""
    return _COMPOSE_VARIABLE.sub(_of_environment, text)


def _of_environment(found: re.Match[str]) -> str:
    name, how, word = found[1] or found[2], found[3] or "", found[4] or ""
    if name is None:
        return "$"
    value = os.environ.get(name)
    there = bool(value) if how.startswith(":") else value is not None
    if how.endswith("+"):
        return word if there else ""
    if how.endswith("-") and not there:
        return _interpolated(word)
    if how.endswith("?") and not there:
        raise BadInput(f"the variable {name} is not set: {shorten(word, 100)}.")
    return value or ""


# values -----------------------------------------------------------------------------------------------


def _image(container: Mapping[str, Any], name: str) -> str:
    image = _text(container.get("image"), f"image of {name}")
    if not image or image.startswith("-"):
        raise BadInput(f"{printable(name)} has no image.")
    return image


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise BadInput(f"{shorten(what, 60)} is not a mapping.")
    return {str(key): each for key, each in value.items()}


def _list(value: Any, what: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise BadInput(f"{shorten(what, 60)} is not a list.")
    return value


def _words(value: Any, what: str) -> tuple[str, ...]:
    return tuple(_text(word, what) for word in _list(value, what))


def _text(value: Any, what: str) -> str:
    """Return a scalar as text; empty for none."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str | int | float) or "\0" in str(value)[:1_000_000]:
        raise BadInput(f"{shorten(what, 60)} is not text.")
    return str(value)


def _number(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LONGEST_GRACE:
        raise BadInput(f"{what} is not a number of seconds.")
    return float(value)


def _duration(value: Any, what: str) -> float:
    text = _text(value, what)
    ns = span(text)
    if ns is None and text.isascii() and text.isdigit() and len(text) < 8:
        ns = int(text) * SECOND
    if ns is None or not 0 <= ns / SECOND <= _LONGEST_GRACE:
        raise BadInput(f"{shorten(what, 60)} is not a duration.")
    return ns / SECOND
