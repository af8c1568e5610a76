"""Whether a directive's value is one that a server takes: by what each engine itself said of it.

Pure; the answers are in `engine_directives`. A name or a value is wrong if every engine in question says so.
With an engine named in the deployment only that one is asked, if its list is kept; else all whose lists are.

The trap: an engine whose list is not kept may know more. What all the others refuse is still refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from harness.model.directive_table import (
    CLIENT_CLASSES,
    LEFT_OUT,
    OF_MODULES,
    PASSED,
    PER_SERVICE,
    TODAYS_SPELLING,
)
from harness.model.directives import Directive, nearest
from harness.model.engine import is_named
from harness.model.engine_directives import BY_ENGINE

_UNITS = {
    "": 1, "b": 1, "k": 1000, "kb": 1024, "m": 1000**2, "mb": 1024**2, "g": 1000**3, "gb": 1024**3,
}  # fmt: skip


def why_no_name(name: str, engine: str | None) -> str | None:
    """Why a server would not start with a directive of this name; None: it would."""
    if name.startswith("sentinel ") or OF_MODULES.fullmatch(name):
        return None if OF_MODULES.fullmatch(name) or name in PASSED | LEFT_OUT.keys() else _unknown(name)
    spelt = _spelt(name)
    having = [one for one, directives in BY_ENGINE.items() if spelt & directives.keys()]
    asked = _asked(engine)
    if set(having) & set(asked) or (name in PASSED | LEFT_OUT.keys() and not having):
        return None
    if having:
        return f"not a directive of {', '.join(asked)}; it is one of {', '.join(having)}"
    return _unknown(name)


def why_no_value(directive: Directive, engine: str | None) -> str | None:
    """Why no server in question would take these arguments, and what it expects; None: one would."""
    if (shape := _SHAPES.get(directive.name)) is not None:
        return None if shape.fits(directive.arguments) else shape.expected
    if directive.name in PER_SERVICE:  # Sentinel's own, which no `CONFIG GET` lists
        return _number(("0", str(2**63 - 1)), directive.arguments[-1:])
    reasons, spelt = [], _spelt(directive.name)
    for asked in _asked(engine):
        forms = [form for name, form in BY_ENGINE[asked].items() if name in spelt]
        reasons += [_misfit(form, directive) for form in forms[:1]]
    first = next(iter(reasons), None)
    return first if all(reasons) else None


def _asked(engine: str | None) -> Sequence[str]:
    wanted = ".".join(engine.split(".")[:2]) if engine else None  # lists are kept per 7.0, not per 7.0.15
    named = [one for one in BY_ENGINE if is_named(wanted, _reported(one))]
    return named or tuple(BY_ENGINE)


def _reported(engine: str) -> str:
    name, _, version = engine.partition("-")
    return f"{name.capitalize()} {version}"


def _spelt(name: str) -> set[str]:
    """Today's name, and the earlier ones."""
    return {name, *(old for old, today in TODAYS_SPELLING.items() if today == name)}


def _unknown(name: str) -> str:
    near = nearest(name)
    hint = f"did you mean {near!r}?" if near else "remove the line"
    return f"no engine that this kit knows has this directive ({', '.join(BY_ENGINE)}); {hint}"


def _misfit(form: str, directive: Directive) -> str | None:
    kind, *expected = form.split()
    if kind in {"text", "lines"}:
        own = _OF_SEVERAL.get(directive.name)
        return own(directive.arguments) if own else None
    if len(directive.arguments) != 1 and kind != "flags":
        return "expected one value"
    return _KINDS[kind](expected, directive.arguments)


def _words(expected: Sequence[str], arguments: Sequence[str]) -> str | None:
    if all(word.lower() in expected for word in arguments):
        return None
    return (
        f"expected one of {', '.join(expected)}" if len(expected) > 2 else f"expected {' or '.join(expected)}"
    )


def _number(expected: Sequence[str], arguments: Sequence[str]) -> str | None:
    low, high = map(int, expected)
    if re.fullmatch(r"0|-?[1-9][0-9]{0,18}", arguments[0]) and low <= int(arguments[0]) <= high:
        return None
    limits = f" from {low}" + (f" to {high}" if high < 2**31 - 1 else "")
    return f"expected a whole number{limits if low > -(2**31) else ''}"


def _size(expected: Sequence[str], arguments: Sequence[str]) -> str | None:
    least = int(expected[0])
    size = _bytes(arguments[0])
    if size is not None and size >= least:
        return None
    return "expected a size such as 100mb, 64kb or a number of bytes" + (
        f", at least {least}" if least else ""
    )


def _size_or_share(expected: Sequence[str], arguments: Sequence[str]) -> str | None:
    if re.fullmatch(r"[0-9]{1,3}%", arguments[0]) or _size(expected, arguments) is None:
        return None
    return "expected a size such as 100mb, or a share such as 5%"


def _bytes(text: str) -> int | None:
    found = re.fullmatch(r"([0-9]{1,19})([a-z]{0,2})", text.lower())
    return int(found[1]) * _UNITS[found[2]] if found and found[2] in _UNITS else None


_KINDS: Mapping[str, Callable[[Sequence[str], Sequence[str]], str | None]] = {
    "words": _words,
    "flags": _words,
    "number": _number,
    "memory": _size,
    "share": _size_or_share,
}


def _save(arguments: Sequence[str]) -> str | None:
    pairs = all(re.fullmatch("[0-9]{1,9}", one) for one in arguments) and len(arguments) % 2 == 0
    if pairs or tuple(arguments) == ("",):
        return None
    return 'expected seconds and changes in pairs, such as 900 1 or [900 1, 300 10], or "" for none'


def _buffer_limit(arguments: Sequence[str]) -> str | None:
    groups = [arguments[at : at + 4] for at in range(0, len(arguments), 4)]
    if all(_is_limit(group) for group in groups):
        return None
    return (
        "expected a class of clients (normal, replica or pubsub), two sizes and seconds, "
        "such as replica 256mb 64mb 60"
    )


def _is_limit(group: Sequence[str]) -> bool:
    return (
        len(group) == 4
        and group[0].lower() in CLIENT_CLASSES
        and _bytes(group[1]) is not None
        and _bytes(group[2]) is not None
        and re.fullmatch("[0-9]{1,9}", group[3]) is not None
    )


def _events(arguments: Sequence[str]) -> str | None:
    if re.fullmatch(r"[AKEg$lshzxetdmnoc]*", "".join(arguments)):
        return None
    return "expected letters of Redis' classes of events, such as KEA"


@dataclass(frozen=True, slots=True)
class _Shape:
    """How many words, and what they are. In words that quote none, since some are passwords."""

    expected: str
    fits: Callable[[Sequence[str]], bool]


def _is_user(arguments: Sequence[str]) -> bool:
    return bool(re.fullmatch(r"[^\s<>#!()]{1,100}", arguments[0])) and all(arguments)


_SHAPES: Mapping[str, _Shape] = {
    **dict.fromkeys(
        ("requirepass", "masterauth", "primaryauth", "masteruser", "primaryuser",
         "sentinel sentinel-pass", "sentinel sentinel-user"),
        _Shape("expected one word", lambda words: len(words) == 1),
    ),
    "rename-command": _Shape(
        "expected a command and its new name",
        lambda words: len(words) == 2 and re.fullmatch(r"[A-Za-z]{1,30}", words[0]) is not None,
    ),
    "sentinel rename-command": _Shape(
        "expected a command and its new name", lambda words: len(words) in {2, 3} and all(words)
    ),
    "user": _Shape("expected a name and rules, such as: app on >password ~* +@all", _is_user),
}  # fmt: skip
"""Directives whose values no `CONFIG GET` tells, or tells as any text."""

_OF_SEVERAL: Mapping[str, Callable[[Sequence[str]], str | None]] = {
    "save": _save,
    "client-output-buffer-limit": _buffer_limit,
    "notify-keyspace-events": _events,
}
