"""Directives as the server reads them: how a line splits, what its name may do, how it is written again.

What a deployment says is taken apart by the grammar of the server's own parser (`sdssplitargs`), decided by
the name that comes out of that, and written again from its parts. So quotes, backslashes or line ends in a
name or a value can never become another directive. Pure; used by reading, planning, judging and the nodes.

The trap: a `sentinel` line is an option by its second word. Names compare without regard to case.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from harness.model.directive_table import (
    AS_OWN,
    AS_USUAL,
    CLIENTS_SEND,
    LEFT_OUT,
    MODULES,
    OF_MODULES,
    OF_NAMES,
    OF_OWN_ADDRESS,
    OF_THE_GUARDED,
    PASSED,
    PER_SERVICE,
    TODAYS_SPELLING,
    USUAL,
    Reason,
)

Lines = str | tuple[str, ...]
"""The arguments of a directive as people wrote them: one line, or several of the same directive."""

_NAME = re.compile(r"(sentinel )?[a-z][a-z0-9_-]{0,63}")
_PLAIN = re.compile(rb"[A-Za-z0-9_./:@%+,=-]+")
_BLANKS = b" \t\n\v\f\r"
_END_A_WORD = b" \t\n\r"
"""Not all that separate words: a form feed within one is part of it."""

_ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"a": b"\a"}
_TOO_LONG = 4096
_NEAR = 0.85


class Malformed(ValueError):
    """No line that a server would read as one directive; the message says why, without the value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Directive:
    """One line of a configuration."""

    name: str
    """In lower case and today's spelling; of Sentinel's with the option: `sentinel parallel-syncs`."""
    arguments: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join((self.name, *map(quoted, self.arguments)))


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A directive that a deployment asked for and that nodes are not given. Without its value, which may be
    a password."""

    table: str
    """Where it was written: `redis`, `primary`, `replica`, `sentinel` or `cache`."""
    name: str
    why: str
    decides: bool
    """Whether it can decide the outcome; if so nothing passes."""

    def __str__(self) -> str:
        return f"{self.name} ({self.table}): {self.why}"


def parsed(name: str, value: str) -> Directive:
    """What the server makes of a name and the text after it.

    Raises:
        Malformed: it is not exactly one directive.
    """
    return _of_words(split(name), split(value))


def of_line(line: str) -> Directive:
    """What the server makes of a whole line of a configuration file.

    Raises:
        Malformed: it is not exactly one directive.
    """
    words = split(line)
    return _of_words(words[:1], words[1:])


def _of_words(head: tuple[str, ...], rest: tuple[str, ...]) -> Directive:
    if head and head[0].lower() == "sentinel":
        words = head + rest
        if len(words) < 2 or len(head) > 2:
            raise Malformed("expected 'sentinel' and one option")
        spoken, arguments = f"sentinel {words[1].lower()}", words[2:]
    elif len(head) == 1:
        spoken, arguments = head[0].lower(), rest
    else:
        raise Malformed("expected the name of one directive")
    if not _NAME.fullmatch(spoken):
        raise Malformed("expected the name of a directive")
    return Directive(name=TODAYS_SPELLING.get(spoken, spoken), arguments=arguments or ("",))


def split(text: str) -> tuple[str, ...]:
    """The words of one line, as the server's own parser splits them.

    Raises:
        Malformed: quotes are not closed, something follows them, or a character has no place in a line.
    """
    if len(text) > _TOO_LONG:
        raise Malformed(f"longer than {_TOO_LONG} characters")
    try:
        line = text.encode()
    except UnicodeEncodeError as problem:
        raise Malformed("a character that is no Unicode") from problem
    if any(byte in line for byte in (b"\n", b"\r", b"\0")):
        raise Malformed("a directive is one line: write several lines of it as a list")
    words = []
    at = 0
    while (at := _after_blanks(line, at)) < len(line):
        word, at = _word(line, at)
        if any(byte < 0x20 or byte == 0x7F for byte in word):
            raise Malformed("control characters have no place in a directive")
        words.append(word.decode(errors="surrogateescape"))
    return tuple(words)


def quoted(word: str) -> str:
    """A word so that the server reads back exactly it; nothing that a shell or Compose would touch."""
    raw = word.encode(errors="surrogateescape")
    if _PLAIN.fullmatch(raw):
        return word
    return '"' + "".join(_written(byte) for byte in raw) + '"'


def lines_of(value: Lines) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value


def setting(directives: Mapping[str, Lines], name: str, otherwise: str) -> str:
    """The arguments that hold: a later line of a directive takes the place of an earlier one."""
    found = [one.arguments for one in used(directives) if one.name == name]
    return " ".join(found[-1]) if found else otherwise


def used(directives: Mapping[str, Lines]) -> Iterator[Directive]:
    """The lines that a node is given, whatever the mapping holds."""
    for name, value in directives.items():
        for line in lines_of(value):
            try:
                directive = parsed(name, line)
            except Malformed:
                continue
            if directive.name in PASSED and not_carried_out(directive) is None:
                yield directive


def not_carried_out(directive: Directive) -> Reason | None:
    """Why this line is not passed on, by its name or by what it says; None: it is."""
    if (reason := not_used(directive.name)) is not None:
        if directive.arguments == USUAL.get(directive.name):
            return AS_USUAL
        return AS_OWN if _is_own_address(directive) else reason
    command = directive.arguments[0].lower()
    if directive.name == "rename-command" and command in CLIENTS_SEND:
        return Reason(f"clients send {command.upper()} under its own name", decides=True)
    return None


def _is_own_address(directive: Directive) -> bool:
    """Whether it announces what every node of a run announces: where it is. A name would have to be resolved,
    which is a part of what is tested."""
    if directive.name in OF_NAMES:
        return directive.arguments == ("no",)
    if directive.name not in OF_OWN_ADDRESS or len(directive.arguments) != 1:
        return False
    (value,) = directive.arguments
    if value == "" or value.isdecimal():
        return True
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return False
    return True


@cache
def not_used(name: str) -> Reason | None:
    """Why a directive is not passed on; None: it is. The name as `parsed` gives it."""
    if name in PASSED:
        return None
    known = MODULES if OF_MODULES.fullmatch(name) else LEFT_OUT.get(name)
    if known is not None:
        return known
    near = nearest(name)
    hint = f"; did you mean {near!r}?" if near else ", so its effect is not known"
    return Reason(f"this kit knows no such directive{hint}", decides=True)


def nearest(name: str) -> str | None:
    """The directive that somebody meant who misspelt it; None: nobody can say."""
    near = difflib.get_close_matches(name, [*PASSED, *LEFT_OUT], n=1, cutoff=_NEAR)
    return near[0] if near else None


def left_out_of(table: str, directives: Mapping[str, Lines]) -> Iterator[LeftOut]:
    """What a mapping asks for that nodes are not given, once for each name."""
    seen = set()
    for name, value in directives.items():
        for line in lines_of(value):
            try:
                directive = parsed(name, line)
                spoken, reason = directive.name, not_carried_out(directive)
            except Malformed as problem:
                spoken, reason = repr(name[:40]), Reason(str(problem), decides=True)
            if reason is not None and spoken not in seen:
                seen.add(spoken)
                yield LeftOut(table=table, name=spoken, why=reason.why, decides=reason.decides)


def for_service(directive: Directive, service: str) -> Directive:
    """A sentinel's option with the name of the guarded primary before its values, where it belongs.

    Raises:
        Malformed: it names another service, or has not exactly one value.
    """
    if directive.name not in PER_SERVICE and directive.name not in OF_THE_GUARDED:
        return directive
    expected = OF_THE_GUARDED.get(directive.name, 1)
    values = directive.arguments
    if len(values) > expected and values[0] == service:
        values = values[1:]
    if len(values) != expected:
        many = "one value" if expected == 1 else f"{expected} values"
        raise Malformed(f"expected {many}; sentinels guard one primary, known as {service!r}")
    return Directive(name=directive.name, arguments=(service, *values))


def _after_blanks(line: bytes, at: int) -> int:
    while at < len(line) and line[at] in _BLANKS:
        at += 1
    return at


def _word(line: bytes, at: int) -> tuple[bytes, int]:
    """The word that begins at `at`, and where the rest begins. Quotes may open within a word; a closing
    one ends it."""
    word = bytearray()
    while at < len(line) and line[at] not in _END_A_WORD:
        sign = line[at : at + 1]
        if sign in {b'"', b"'"}:
            inner, at = (_double if sign == b'"' else _single)(line, at + 1)
            word += inner
            if at < len(line) and line[at] not in _BLANKS:
                raise Malformed("something follows a closing quote")
            return bytes(word), at
        word += sign
        at += 1
    return bytes(word), at


def _double(line: bytes, at: int) -> tuple[bytes, int]:
    inner = bytearray()
    while at < len(line):
        sign = line[at : at + 1]
        if sign == b'"':
            return bytes(inner), at + 1
        if sign == b"\\" and re.fullmatch(rb"x[0-9a-fA-F]{2}", line[at + 1 : at + 4]):
            inner.append(int(line[at + 2 : at + 4], 16))
            at += 4
        elif sign == b"\\" and at + 1 < len(line):
            following = line[at + 1 : at + 2]
            inner += _ESCAPES.get(following, following)
            at += 2
        else:
            inner += sign
            at += 1
    raise Malformed("quotes are not closed")


def _single(line: bytes, at: int) -> tuple[bytes, int]:
    inner = bytearray()
    while at < len(line):
        if line[at : at + 2] == b"\\'":
            inner += b"'"
            at += 2
        elif line[at : at + 1] == b"'":
            return bytes(inner), at + 1
        else:
            inner += line[at : at + 1]
            at += 1
    raise Malformed("quotes are not closed")


def _written(byte: int) -> str:
    sign = chr(byte)
    if 0x20 <= byte < 0x7F and sign not in '"\\$`':
        return sign
    return f"\\x{byte:02x}"
