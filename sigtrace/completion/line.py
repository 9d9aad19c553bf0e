"""What is to be completed on a command line: a command, an option, or a value of some kind."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sigtrace.completion.table import ABOUT, ALIASES, COMMANDS

Option = tuple[str, str, bool]
"""Of an option: the kind of its value (empty if it takes none), its help, and whether it may be given again."""


def split(line: str) -> list[str]:
    """Split what was typed into words as a shell does; an open quotation reaches to the end."""
    words: list[str] = []
    word, quote, begun, escaped = "", "", False, False
    for letter in line:
        if escaped:
            word, escaped = word + letter, False
        elif letter == "\\" and quote != "'":
            begun = escaped = True
        elif quote:
            quote, word = ("", word) if letter == quote else (quote, word + letter)
        elif letter in "'\"":
            quote, begun = letter, True
        elif letter.isspace():
            words += [word] if begun else []
            word, begun = "", False
        else:
            word, begun = word + letter, True
    return [*words, word] if begun else words


def asked(words: Sequence[str], begun: str) -> tuple[str, str, Iterator[tuple[str, str]]]:
    """Return the kind of the value that is to be completed, its beginning, and the words that are known already.

    words: those before it, without the program; begun: what was typed of it. The kind is empty if only the known words,
    each with its description, can follow.
    """
    words = [word for word in words if word != "="]  # bash takes --signal=TERM for three words
    begun = "" if begun == "=" else begun
    place = next((place for place, word in enumerate(words) if not word.startswith("-")), None)
    name = "" if place is None else ALIASES.get(words[place], words[place])
    if name not in COMMANDS:
        return "", begun, iter(()) if name else _first(begun)
    options, arguments = COMMANDS[name]
    if begun.startswith("--") and "=" in begun:
        option, _, begun = begun.partition("=")
        words = [*words, option]
    kind, taken, ended, given = _state(words[(place or 0) + 1 :], options)
    if kind:
        return kind, begun, iter(())
    if begun.startswith("-") and not ended:
        return "", begun, _options(options, given)
    kind = arguments[min(taken, len(arguments) - 1)] if arguments else ""
    return (kind if taken < len(arguments) or kind.endswith("*") else "").rstrip("*"), begun, iter(())


def _state(words: Sequence[str], options: dict[str, Option]) -> tuple[str, int, bool, set[str]]:
    """Return the kind of value that the last word wants, the number of arguments, whether -- was, and the options."""
    kind, taken, ended, given = "", 0, False, set()
    for word in words:
        if kind:
            kind = ""
        elif ended or not word.startswith("-") or word == "-":
            taken += 1
        elif word == "--":
            ended = True
        else:
            name, equals, _ = word.partition("=")
            name = name if name.startswith("--") else name[:2]
            given.add(name)
            attached = equals or (not word.startswith("--") and len(word) > 2)
            kind = "" if attached else options.get(name, ("", "", False))[0]
    return kind, taken, ended, given


def _first(begun: str) -> Iterator[tuple[str, str]]:
    if begun.startswith("-"):
        yield from (("--help", "Show this message and exit."), ("--version", "Show the version and exit."))
    else:
        yield from ABOUT.items()


def _options(options: dict[str, Option], given: set[str]) -> Iterator[tuple[str, str]]:
    for name, (_, about, again) in options.items():
        if again or name not in given:
            yield name, about
