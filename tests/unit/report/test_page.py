"""Text from the kernel and the runtimes is text in a report, and nothing in the page reaches out."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
import unicodedata
from pathlib import Path

import pytest

from sigtrace.report import page as page_module
from tests.builders.incident import EVIL, NAMES
from tests.builders.pages import Element, parsed, words
from tests.builders.reports import facts, report, rows, section


def test_text_from_the_kernel_and_the_runtimes_is_text_and_nothing_else(
    content: bytes, page: Element
) -> None:
    own = {"a", "article", "b", "body", "caption", "circle", "code", "dd", "details", "div", "dl", "dt", "em"}
    own |= {
        "figcaption",
        "figure",
        "footer",
        "g",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "head",
        "header",
        "li",
        "line",
    }
    own |= {"main", "meta", "nav", "ol", "p", "path", "rect", "script", "section", "span", "style", "summary"}
    own |= {
        "svg",
        "symbol",
        "table",
        "tbody",
        "td",
        "text",
        "th",
        "thead",
        "time",
        "title",
        "tr",
        "ul",
        "use",
    }
    assert {each.tag for each in page.all()} <= own
    assert [each.attributes.get("id", "") for each in page.all("script")] == ["sigtrace-data", ""]
    assert len(page.all("style")) == 1
    assert NAMES[EVIL] in section(page, EVIL).one("h3").text
    assert "</script><script>pwn()</script>" in facts(section(page, EVIL))["command"]
    assert "{{7*7}}" in facts(section(page, EVIL))["image"]
    for each in page.all():
        assert not any(name.startswith("on") or name == "style" for name in each.attributes), each.attributes


def test_no_character_in_it_hides_or_reorders_others(content: bytes, page: Element) -> None:
    odd = {
        char
        for char in content.decode()
        if unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp", "Co", "Cs")
    }
    assert odd == {"\n"}
    assert "\\u202e" in facts(section(page, EVIL))["image"]
    assert "\\x1b]0;" in section(page, EVIL).text


def test_its_policy_allows_its_own_script_and_style_and_nothing_else(page: Element) -> None:
    (policy,) = [
        each.attributes["content"]
        for each in page.all("meta")
        if "Policy" in each.attributes.get("http-equiv", "")
    ]
    allowed = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert allowed["default-src"] == "'none'"
    for rule, tag in (("script-src", "script"), ("style-src", "style")):
        digest = hashlib.sha256(page.all(tag)[-1].text.encode()).digest()
        assert allowed[rule] == f"'sha256-{base64.b64encode(digest).decode()}'"


def test_it_refers_to_nothing_outside_itself(page: Element) -> None:
    for each in page.all():
        for name in ("href", "src", "action", "data", "srcset", "poster"):
            assert each.attributes.get(name, "#").startswith("#"), each.attributes
    assert "url(" not in page.one("style").text
    assert "@import" not in page.one("style").text
    assert not re.search(r"fetch|XMLHttp|WebSocket|import\(|innerHTML|eval", page.all("script")[-1].text)


def test_its_structure_serves_those_who_hear_it(page: Element) -> None:
    identifiers = [each.attributes["id"] for each in page.all() if "id" in each.attributes]
    assert len(set(identifiers)) == len(identifiers)
    for link in page.all("a"):
        assert link.attributes["href"][1:] in identifiers
    levels = [int(each.tag[1]) for each in page.all() if re.fullmatch(r"h[1-6]", each.tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert levels.count(1) == 1
    assert all(each.attributes.get("scope") in ("col", "row") for each in page.all("th"))
    assert all(each.all("caption") for each in page.all("table"))
    for each in page.one("main").all("svg", role="img"):
        assert each.attributes["aria-label"]


def test_a_report_that_would_be_too_large_tells_fewer_namespaces_in_full(
    recording: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_module, "MOST_BYTES", len(content) - 10_000)
    smaller = report(recording)
    page = parsed(smaller)
    assert len(smaller) <= len(content) - 10_000
    told = page.all("section", class_="namespace")
    assert 0 < len(told) < 5
    assert f"{5 - len(told)} of 5 namespaces are not shown in full here" in words(page)
    assert rows(page, "by the worst finding")[-1]["Container or init"] == "db"
    identifiers = {each.attributes["id"] for each in page.all() if "id" in each.attributes}
    assert {link.attributes["href"][1:] for link in page.all("a")} <= identifiers
