"""What can be configured: the only list of keys, defaults and meanings. Reads TOML, and the environment above it.

The file has the sections of `Settings`, each with the fields of its class as keys. Every key is also an environment
variable: `record.max_size` is SIGTRACE_AGENT_RECORD_MAX_SIZE.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sigtrace.errors import BadInput
from sigtrace.events.container import COLUMNS as CONTAINER
from sigtrace.moments import seconds
from sigtrace.text import printable
from sigtrace.units import bytes_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

VARIABLES = "SIGTRACE_AGENT_"
"""What the names of the environment variables begin with."""
LABELS = ("container", "pod", "namespace", "image", "runtime")
"""The labels that a container can have in metrics."""
_OF_LABELS = {"container": "container_name", "namespace": "pod_namespace"}
_LEAST_SIZE = 1 << 20
_LONGEST_FILE = 1 << 20
"""Bytes of a configuration file."""


def label_column(label: str) -> str:
    """Return the column of `events.container.COLUMNS` that a label has."""
    column = _OF_LABELS.get(label, label)
    assert column in CONTAINER
    return column


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise BadInput(f"{value!r} is not a text: write it in quotes")
    return value


def _flag(value: object) -> bool:
    words = {"true": True, "false": False}
    if isinstance(value, bool):
        return value
    if not isinstance(value, str) or value not in words:
        raise BadInput(f"{value!r} is not true or false")
    return words[value]


def _number(value: object) -> int:
    word = str(value)
    if isinstance(value, bool) or not re.fullmatch(r"\d{1,9}", word, re.ASCII) or not int(word):
        raise BadInput(f"{value!r} is not a number above 0")
    return int(word)


def _duration(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise BadInput(f"{value!r} is not a duration: write it as 30s, 5m, 2h or 7d")
    return seconds(str(value))


def _size(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise BadInput(f"{value!r} is not a size: write it as 500MiB or 1GiB")
    return bytes_of(str(value), _LEAST_SIZE)


def _path(value: object) -> Path:
    path = Path(_text(value))
    if not path.is_absolute():
        raise BadInput(f"{value!r} is not an absolute path")
    return path


def _file(value: object) -> Path | None:
    return _path(value) if value else None


def _listen(value: object) -> tuple[str, int] | None:
    """Read HOST:PORT; empty is nowhere."""
    text = _text(value)
    if not text:
        return None
    found = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s:\[\]/]*)):(\d{1,5})", text, re.ASCII)
    if not found or int(found[3]) > 65535:
        raise BadInput(f"{text!r} is not an address: write 127.0.0.1:9435, [::1]:9435 or :9435 for all")
    return found[1] or found[2] or "", int(found[3])


def _labels(value: object) -> tuple[str, ...]:
    words = [word for word in re.split(r"[,\s]+", value) if word] if isinstance(value, str) else value
    if not isinstance(words, list) or not all(word in LABELS for word in words):
        raise BadInput(f"{value!r} is not a list of labels: there are {', '.join(LABELS)}")
    return tuple(dict.fromkeys(words))


def _users(value: object) -> Mapping[str, str]:
    """Read user -> bcrypt hash, a table or, in a variable, JSON."""
    if isinstance(value, str):
        try:
            value = json.loads(value or "{}")
        except ValueError:
            value = None
    if not isinstance(value, dict) or not all(
        re.fullmatch(r"\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}", str(each)) for each in value.values()
    ):
        raise BadInput(
            'users are a table of names with bcrypt hashes: NAME = "$2y$10$..." (htpasswd -nB NAME)'
        )
    return {str(name): str(each) for name, each in value.items()}


def _url(value: object) -> str:
    """Read an http or https URL; empty is nowhere. A password in it would be in errors and logs: there is `token`."""
    text = _text(value)
    if text and not re.fullmatch(r"https?://[^\s/@?#]+(?:[/?][^\s#]*)?", text):
        raise BadInput("it is no URL such as https://example.com/hook, without a user")
    return text


def _one_of(*words: str) -> Callable[[object], str]:
    def read(value: object) -> str:
        if value not in words:
            raise BadInput(f"{value!r} is none of {', '.join(words)}")
        return str(value)

    return read


def _setting(default: object, read: Callable[[object], Any], about: str, at_start: bool = False) -> Any:
    """A field: its default as a file would have it, the function that reads it, its meaning.

    at_start: a changed value takes effect at the next start only.
    """
    metadata = {"default": default, "read": read, "about": about, "at_start": at_start}
    return dataclasses.field(default_factory=lambda: read(default), metadata=metadata)


@dataclass(frozen=True)
class Record:
    """The recording."""

    enabled: bool = _setting(True, _flag, "Whether to record; metrics need no recording.", True)
    directory: Path = _setting(
        "/var/lib/sigtrace/recording", _path, "Where to. `sigtrace postmortem` and the others read it.", True
    )
    max_size: int = _setting(
        "1GiB", _size, "Delete the oldest segments when the recording exceeds this size."
    )
    max_age: float = _setting("7d", _duration, "Delete segments that are older than this.")
    rotate: float = _setting("10m", _duration, "Begin a new segment at this interval.")
    all: bool = _setting(
        False, _flag, "Record all signals to all processes, not only what concerns inits.", True
    )
    every_record: bool = _setting(
        False, _flag, "Never thin: a record for each event of a flood too, which may lose others.", True
    )


@dataclass(frozen=True)
class Metrics:
    """Metrics for Prometheus, at /metrics."""

    listen: tuple[str, int] | None = _setting(
        "127.0.0.1:9435", _listen, "HOST:PORT, :PORT for all addresses, or empty for no server."
    )
    labels: tuple[str, ...] = _setting(
        list(LABELS), _labels, f"What a series says of a container: of {', '.join(LABELS)}.", True
    )
    max_series: int = _setting(
        2000, _number, "Series of containers; what is beyond is counted in one series more.", True
    )
    expire: float = _setting(
        "15m", _duration, "How long the series of a container that ended are still there."
    )
    cert_file: Path | None = _setting("", _file, "Certificate for TLS, with the chain, as PEM.")
    key_file: Path | None = _setting("", _file, "Its private key.")
    basic_auth_users: Mapping[str, str] = _setting(
        {}, _users, 'Who may read: a table of NAME = "bcrypt hash"; empty: everybody.'
    )


@dataclass(frozen=True)
class Scan:
    """What every container would do with its stop signal."""

    every: float = _setting("5m", _duration, "How often to look.")
    enabled: bool = _setting(True, _flag, "Whether to look at all.")


@dataclass(frozen=True)
class Webhook:
    """A URL that is told of each finding, for hosts without Prometheus."""

    url: str = _setting("", _url, "Where to POST findings as JSON; empty: nowhere.", True)
    token: str = _setting(
        "", _text, "Sent as `Authorization: Bearer ...`; better as a variable than here.", True
    )


@dataclass(frozen=True)
class Log:
    """What the agent says, on standard error."""

    format: str = _setting("text", _one_of("text", "json"), "text or json (JSON Lines).")
    level: str = _setting(
        "info", _one_of("debug", "info", "warning", "error"), "The least level that is said."
    )


@dataclass(frozen=True)
class Settings:
    """All settings."""

    record: Record = dataclasses.field(default_factory=Record)
    metrics: Metrics = dataclasses.field(default_factory=Metrics)
    scan: Scan = dataclasses.field(default_factory=Scan)
    webhook: Webhook = dataclasses.field(default_factory=Webhook)
    log: Log = dataclasses.field(default_factory=Log)


_SECTIONS: Mapping[str, type] = {
    "record": Record,
    "metrics": Metrics,
    "scan": Scan,
    "webhook": Webhook,
    "log": Log,
}


def load(path: Path | None, env: Mapping[str, str]) -> Settings:
    """Read a configuration file and the environment. Raises BadInput, which names the line and the key."""
    if path is None:
        return read("", env)
    try:
        with path.open("rb") as file:
            raw = file.read(_LONGEST_FILE + 1)
    except OSError as err:
        raise BadInput(f"{printable(str(path))}: {err.strerror}") from err
    if len(raw) > _LONGEST_FILE:
        raise BadInput(f"{printable(str(path))} is too long for a configuration file")
    try:
        return read(raw.decode(), env, str(path))
    except UnicodeDecodeError as err:
        raise BadInput(f"{printable(str(path))} is not UTF-8") from err


def read(text: str, env: Mapping[str, str], source: str = "the configuration") -> Settings:
    """Read settings from TOML, and from variables, which count more. Raises BadInput, which names line and key."""
    try:
        table = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as err:
        raise BadInput(f"{printable(source)}: {err}") from err
    given: dict[tuple[str, str], tuple[object, str]] = {}
    for section, keys in table.items():
        where = _place(source, text, section, None)
        if section not in _SECTIONS:
            raise BadInput(f"{where}: there is no section {section!r}{_near(section, _SECTIONS)}")
        if not isinstance(keys, dict):
            raise BadInput(f"{where}: {section} is a section: write [{section}], and its keys below")
        fields = {each.name for each in dataclasses.fields(_SECTIONS[section])}
        for key, value in keys.items():
            where = _place(source, text, section, key)
            if key not in fields:
                raise BadInput(f"{where}: there is no key {key!r} in [{section}]{_near(key, fields)}")
            given[section, key] = value, f"{where}: {section}.{key}"
    for variable, value in env.items():
        if variable.startswith(VARIABLES):
            given[_key_of(variable)] = value, variable
    parts: dict[str, Any] = {name: {} for name in _SECTIONS}
    for field, section in _all_fields():
        if (section, field.name) in given:
            value, where = given[section, field.name]
            try:
                parts[section][field.name] = field.metadata["read"](value)
            except BadInput as err:
                raise BadInput(f"{printable(where)}: {str(err).rstrip('.')}") from err
    settings = Settings(**{name: kind(**parts[name]) for name, kind in _SECTIONS.items()})
    if (settings.metrics.cert_file is None) != (settings.metrics.key_file is None):
        raise BadInput(f"{printable(source)}: metrics.cert_file and metrics.key_file belong together")
    return settings


def at_start_only(old: Settings, new: Settings) -> list[str]:
    """Return the keys that differ and take effect at the next start only."""
    return [
        f"{section}.{field.name}"
        for field, section in _all_fields()
        if field.metadata["at_start"]
        and getattr(getattr(old, section), field.name) != getattr(getattr(new, section), field.name)
    ]


def as_toml() -> Iterator[str]:
    """Yield the lines of a configuration file that says what is the default, with the meaning of each key."""
    for name, kind in _SECTIONS.items():
        yield f"[{name}]  # {kind.__doc__}"
        for field in dataclasses.fields(kind):
            yield f"# {field.metadata['about']}"
            yield f"#{field.name} = {_toml(field.metadata['default'])}"
        yield ""


def variable(section: str, key: str) -> str:
    """Return the environment variable of a key."""
    return f"{VARIABLES}{section}_{key}".upper()


def _all_fields() -> Iterator[tuple[dataclasses.Field[Any], str]]:
    for section, kind in _SECTIONS.items():
        for field in dataclasses.fields(kind):
            yield field, section


def _key_of(name: str) -> tuple[str, str]:
    names = {variable(section, field.name): (section, field.name) for field, section in _all_fields()}
    if name not in names:
        raise BadInput(f"{printable(name)} is no setting{_near(name, names)}")
    return names[name]


def _near(word: str, words: Any) -> str:
    found = difflib.get_close_matches(word, list(words), 1)
    return f": did you mean {found[0]}?" if found else f": there are {', '.join(sorted(words))}"


def _place(source: str, text: str, section: str, key: str | None) -> str:
    """Return `FILE, line N` of a key, or of a section; without a line if it is written in a way not looked for."""
    within = ""
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[\s*([\w.\"-]+)\s*\]", line)
        within = header[1].replace('"', "") if header else within
        word = re.match(r"\s*([\w.\"-]+)\s*=", line)
        full = ".".join(part for part in (within, word[1].replace('"', "")) if part) if word else within
        wanted = section if key is None else f"{section}.{key}"
        if (header or word) and (full == wanted or full.startswith(f"{wanted}.")):
            return f"{printable(source)}, line {number}"
    return printable(source)


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return (
            "{ " + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + " }"
            if value
            else "{}"
        )
    return json.dumps(value)
