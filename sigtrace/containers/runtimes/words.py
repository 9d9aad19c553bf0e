"""Reading command lines of runtimes' monitors. A command line is whatever its process claims."""

from __future__ import annotations


def program(words: tuple[str, ...]) -> str:
    """What was started, without its directory; empty for a process without a command line."""
    return words[0].rpartition("/")[2] if words else ""


def option(words: tuple[str, ...], name: str) -> str:
    """The value of an option, as `-n NAME` or `--name=NAME`; the first counts, and none behind `--`."""
    for word, value in zip(words, (*words[1:], ""), strict=False):
        if word == "--":
            break
        if word == name:
            return value
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    return ""
