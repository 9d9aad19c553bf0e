"""Parse the command lines of runtimes' monitors. A process can claim any command line."""

from __future__ import annotations


def program(words: tuple[str, ...]) -> str:
    """Return the program's name without its directory; empty for a process without a command line."""
    return words[0].rpartition("/")[2] if words else ""


def option(words: tuple[str, ...], name: str) -> str:
    """Return the value of an option, written `-n NAME` or `--name=NAME`; the first before `--` counts."""
    for word, value in zip(words, (*words[1:], ""), strict=False):
        if word == "--":
            break
        if word == name:
            return value
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    return ""
