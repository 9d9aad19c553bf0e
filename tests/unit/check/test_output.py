"""What a command prints is read as fast as it comes, and only its end is kept."""

from __future__ import annotations

import os
import re

from sigtrace.check.output import Output


def said(*chunks: bytes, pattern: str = "") -> Output:
    output = Output(re.compile(pattern) if pattern else None)
    for chunk in chunks:
        view = memoryview(chunk)
        while view:
            view = view[os.write(output.writer, view) :]
    output.close(60)
    return output


def test_the_last_lines_are_kept_whole() -> None:
    assert said(b"one\ntw", b"o\r\nthree").tail() == ("one", "two", "three")
    assert said(b"one\ntwo\n").tail(1) == ("two",)
    assert said().tail() == ()


def test_a_flood_and_an_endless_line_are_cut() -> None:
    flood = said(b"".join(b"%d\n" % number for number in range(100_000))).tail()
    assert flood[-1] == "99999"
    assert len(flood) < 1000
    assert len(said(b"x" * 1_000_000).tail()[0]) < 10_000


def test_bytes_that_are_no_text_are_kept_as_escapes_also_where_a_chunk_cuts_a_character() -> None:
    assert said(b"\xff\xc3", b"\xa4\n").tail() == ("\\xff\xe4",)


def test_a_pattern_is_found_across_chunks_and_after_it_has_scrolled_away() -> None:
    assert said(b"list", b"ening\n", b"x\n" * 10_000, pattern="^listening$|listening").matched
    assert not said(b"nothing\n", pattern="listening").matched
