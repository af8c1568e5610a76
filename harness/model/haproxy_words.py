r"""The lines of a haproxy.cfg as words, each as it is written and as HAProxy understands it.

Written words are passed on as they are, so nothing changes that the kit has no reason to change. The trap:
`\r\n` and `\ ` are HAProxy's own, and a shell's rules would lose them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_PLAIN_ESCAPES = frozenset("\\ #\"'")
_ESCAPES = {"r": "\r", "n": "\n", "t": "\t"}
_CLOSED = "expected the quotes to be closed"


class Unclosed(ValueError):
    """HAProxy would not read this line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    written: str
    means: str
    varies: bool = False
    """It has a variable of the environment in it."""


def words_of(line: str) -> tuple[Word, ...]:
    """The words before a comment.

    Raises:
        Unclosed: quotes are not closed.
    """
    return tuple(_words(line))


def _words(line: str) -> Iterator[Word]:
    at = 0
    while at < len(line):
        if line[at] in " \t\r\n":
            at += 1
        elif line[at] == "#":
            return
        else:
            word, at = _word(line, at)
            yield word


def _word(line: str, at: int) -> tuple[Word, int]:
    first, means, quote, varies = at, [], "", False
    while at < len(line):
        char = line[at]
        if not quote and char in " \t\r\n#":
            break
        if char == "\\" and quote != "'":
            meant, at = _escaped(line, at)
            means.append(meant)
            continue
        if char in "\"'" and quote in {"", char}:
            quote = "" if quote else char
        else:
            varies |= quote == '"' and char == "$"
            means.append(char)
        at += 1
    if quote:
        raise Unclosed(_CLOSED)
    return Word(written=line[first:at], means="".join(means), varies=varies), at


def _escaped(line: str, at: int) -> tuple[str, int]:
    r"""What a backslash begins. Before any other character it stays: `\.` in a regular expression."""
    after = line[at + 1 : at + 2]
    if after in _PLAIN_ESCAPES or after == "$":
        return after, at + 2
    if after in _ESCAPES:
        return _ESCAPES[after], at + 2
    if after == "x" and len(code := line[at + 2 : at + 4]) == 2:
        try:
            return chr(int(code, 16)), at + 4
        except ValueError:
            pass
    return "\\" + after, at + 2


def escaped(text: str) -> str:
    """A word so that HAProxy reads back exactly this."""
    return "".join(_written(char) for char in text)


def _written(char: str) -> str:
    if char in _PLAIN_ESCAPES:
        return f"\\{char}"
    backwards = {meant: name for name, meant in _ESCAPES.items()}
    if char in backwards:
        return f"\\{backwards[char]}"
    return char if char.isprintable() else "".join(f"\\x{byte:02x}" for byte in char.encode())
