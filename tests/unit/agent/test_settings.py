"""The agent's settings: what a file and the environment say, and what is said of a mistake."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
import tomllib

from sigtrace.agent import settings
from sigtrace.agent.settings import Settings, read
from sigtrace.errors import BadInput

HASH = "$2b$10$nbW9rp5KGPxpwwJ3aGkkqOdBAesSXj7QxqGItVZRuJtj0lFeS1wgW"


def refused(text: str, env: dict[str, str] | None = None) -> str:
    with pytest.raises(BadInput) as caught:
        read(text, env or {}, "agent.toml")
    return str(caught.value)


def test_without_a_file_everything_has_its_default() -> None:
    assert read("", {}) == Settings()
    assert Settings().metrics.listen == ("127.0.0.1", 9435)


def test_a_file_says_what_differs() -> None:
    found = read('[record]\nmax_size = "2GiB"\nenabled = false\n[metrics]\nlisten = "[::1]:80"\n', {})
    assert (found.record.max_size, found.record.enabled) == (2 << 30, False)
    assert found.metrics.listen == ("::1", 80)
    assert found.record.max_age == Settings().record.max_age


def test_a_variable_counts_more_than_the_file() -> None:
    env = {
        "SIGTRACE_AGENT_SCAN_EVERY": "90",
        "SIGTRACE_AGENT_METRICS_LABELS": "pod, namespace",
        "PATH": "/bin",
    }
    found = read('[scan]\nevery = "1h"', env)
    assert found.scan.every == 90
    assert found.metrics.labels == ("pod", "namespace")


def test_every_key_is_a_variable_too() -> None:
    """With its default, as the file would have it, nothing changes."""
    env = {}
    for section, kind in settings._SECTIONS.items():
        for field in dataclasses.fields(kind):
            default = field.metadata["default"]
            text = str(default).lower() if isinstance(default, bool) else settings._toml(default)
            env[settings.variable(section, field.name)] = text.strip('"').strip("[]").replace('"', "")
    env["SIGTRACE_AGENT_METRICS_BASIC_AUTH_USERS"] = "{}"
    assert read("", env) == Settings()


def test_the_file_of_all_defaults_is_what_is_without_one() -> None:
    lines = list(settings.as_toml())
    uncommented = "\n".join(re.sub("^#(?! )", "", line) for line in lines)
    assert read(uncommented, {}) == read("\n".join(lines), {}) == Settings()
    keys = [key for section in tomllib.loads(uncommented).values() for key in section]
    assert len(keys) == sum(len(dataclasses.fields(kind)) for kind in settings._SECTIONS.values())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '[record]\n\nmax_size = "5 apples"',
            "agent.toml, line 3: record.max_size: '5 apples' is not a size",
        ),
        ("[record]\nmax_sise = 1", "line 2: there is no key 'max_sise' in [record]: did you mean max_size?"),
        ("[recrod]\nall = true", "line 1: there is no section 'recrod': did you mean record?"),
        ("record = 3", "line 1: record is a section: write [record], and its keys below"),
        ("[record]\nall = 1", "line 2: record.all: 1 is not true or false"),
        ("[scan]\nevery = true", "line 2: scan.every: True is not a duration"),
        ("[scan]\nevery = 0", "line 2: scan.every: '0' is not a duration"),
        ('[metrics]\nlisten = "everywhere"', "line 2: metrics.listen: 'everywhere' is not an address"),
        ('[metrics]\nlisten = "[::1]:70000"', "'[::1]:70000' is not an address"),
        (
            '[metrics]\nlabels = ["pod", "uid"]',
            "line 2: metrics.labels: ['pod', 'uid'] is not a list of labels",
        ),
        ("[metrics]\nmax_series = 0", "line 2: metrics.max_series: 0 is not a number above 0"),
        ('[metrics]\ncert_file = "/c.pem"', "metrics.cert_file and metrics.key_file belong together"),
        ('[metrics]\ncert_file = "c.pem"', "'c.pem' is not an absolute path"),
        ('[metrics.basic_auth_users]\nann = "secret"', "line 1: metrics.basic_auth_users: users are a table"),
        ("[record]\ndirectory = 7", "line 2: record.directory: 7 is not a text"),
        ('[log]\nlevel = "loud"', "line 2: log.level: 'loud' is none of debug, info, warning, error"),
        ("[record", "agent.toml: "),
        ('record.max_size = "x"', "line 1: record.max_size: 'x' is not a size"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_key(text: str, said: str) -> None:
    assert said in refused(text)


def test_a_mistaken_variable_is_named() -> None:
    assert "SIGTRACE_AGENT_RECORD_MAX_AGE: 'soon' is not a duration" in refused(
        "", {"SIGTRACE_AGENT_RECORD_MAX_AGE": "soon"}
    )
    assert "did you mean SIGTRACE_AGENT_RECORD_MAX_AGE?" in refused(
        "", {"SIGTRACE_AGENT_RECORD_MAXAGE": "1d"}
    )


def test_a_password_is_not_repeated_in_an_error() -> None:
    assert "hunter2" not in refused('[metrics.basic_auth_users]\nann = "hunter2"')
    assert read(f'[metrics.basic_auth_users]\nann = "{HASH}"', {}).metrics.basic_auth_users == {"ann": HASH}


def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    for name, raw, said in (("none", None, "No such file"), ("bytes", b"\xff\xfe", "is not UTF-8")):
        path = tmp_path / name
        if raw is not None:
            path.write_bytes(raw)
        with pytest.raises(BadInput, match=said):
            settings.load(path, {})


def test_keys_that_need_a_restart_are_known() -> None:
    new = read('[record]\ndirectory = "/elsewhere"\nmax_age = "1d"\n[metrics]\nmax_series = 5', {})
    assert settings.at_start_only(Settings(), new) == ["record.directory", "metrics.max_series"]
