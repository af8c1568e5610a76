"""Types of values in a file: how each is written, read, and described to an editor.

A `Reader` turns one node into a value or reports a problem and returns `INVALID`. Times, sizes and
rates never come without a unit: `timeout: 5` has cost enough people enough evenings.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from harness.model.command_words import LIBRARY_VERSION
from harness.model.engine import is_engine_name, meant_engine
from harness.scenario import tree
from harness.scenario.problems import Problems, choices

Schema = Mapping[str, Any]


class Invalid:
    """A value that could not be read; the problem is already noted."""


INVALID: Final = Invalid()


class Unreadable(ValueError):
    """The message is a hint for the author; may be empty."""


class Reader(Protocol):
    def read(self, node: tree.Node, path: str, problems: Problems) -> Any: ...
    def schema(self) -> Schema: ...


@dataclass(frozen=True, slots=True)
class One:
    """A single scalar. `parse` raises `Unreadable` with a hint."""

    expected: str
    parse: Callable[[str], Any]
    looks: Schema

    def read(self, node: tree.Node, path: str, problems: Problems) -> Any:
        if not isinstance(node, tree.Scalar):
            problems.expected(node, path, self.expected)
            return INVALID
        try:
            return self.parse(node.value.strip())
        except Unreadable as error:
            problems.expected(node, path, self.expected, str(error))
            return INVALID

    def schema(self) -> Schema:
        return self.looks


@dataclass(frozen=True, slots=True)
class Many:
    """A list of scalars of one type. `parts`: of a text in the place of a list, the items that it means."""

    of: One
    parts: Callable[[str], Sequence[str]] = lambda text: [part.strip() for part in text.split(",")]

    def read(self, node: tree.Node, path: str, problems: Problems) -> Any:
        if not isinstance(node, tree.Sequence):
            meant = self.parts(node.value) if isinstance(node, tree.Scalar) else ()
            hint = f"write {tree.as_list(meant)}" if any(meant) else ""
            problems.expected(node, path, f"a list, each item {self.of.expected}", hint)
            return INVALID
        items = [self.of.read(item, f"{path}.{n}", problems) for n, item in enumerate(node.value)]
        return INVALID if INVALID in items else tuple(items)

    def schema(self) -> Schema:
        return {"type": "array", "items": self.of.schema()}


@dataclass(frozen=True, slots=True)
class Named:
    """A mapping from names to values of one type; `refuse` says why a name is not allowed."""

    of: Reader
    refuse: Callable[[str], str | None] = lambda _name: None
    names: tuple[str, ...] | None = None
    looks_like: str = field(default=".+")

    def read(self, node: tree.Node, path: str, problems: Problems) -> Any:
        values = {}
        for written, key, value in entries(node, path, problems):
            name = written if self.names is None else other_spelling(written, self.names)
            if self.names is not None and name not in self.names:
                problems.unknown(key, path, "name", name, self.names)
            elif reason := self.refuse(name):
                problems.add(key, f"{path}.{name}", reason)
            elif name in values:
                problems.add(key, f"{path}.{written}", f"the same as {name!r}, which is already there")
            else:
                values[name] = self.of.read(value, f"{path}.{name}", problems)
        return INVALID if INVALID in values.values() else values

    def schema(self) -> Schema:
        if self.names is not None:
            properties = {name: self.of.schema() for name in every_spelling(self.names)}
            return {"type": "object", "properties": properties, "additionalProperties": False}
        allowed = {self.looks_like: self.of.schema()}
        return {"type": "object", "patternProperties": allowed, "additionalProperties": False}


@dataclass(frozen=True, slots=True)
class Later:
    """A part with a reader of its own: handed on as it is. `looks` is its schema."""

    looks: Schema = field(default_factory=dict)

    def read(self, node: tree.Node, path: str, problems: Problems) -> Any:  # noqa: ARG002  # as Reader
        return node

    def schema(self) -> Schema:
        return self.looks


_SPELLINGS = (("login", "log-in"), ("log-in", "login"), ("logout", "log-out"), ("log-out", "logout"))


def other_spelling(word: str, legal: Collection[str]) -> str:
    """The legal word that differs from this one by the hyphen in `log-in` or `log-out` only; else the word.

    A behaviour is called `log-in` and its kind of operation `login`: nobody should have to know which.
    """
    if word in legal:
        return word
    others = (word.replace(one, other) for one, other in _SPELLINGS)
    return next((other for other in others if other in legal), word)


def every_spelling(legal: Iterable[str]) -> list[str]:
    """For an editor: the legal words, and what `other_spelling` makes one of them."""
    words = list(legal)
    others = [word.replace(one, other) for word in words for one, other in _SPELLINGS]
    return list(
        dict.fromkeys([*words, *(other for other in others if other_spelling(other, words) in words)])
    )


def entries(node: tree.Node, path: str, problems: Problems) -> list[tuple[str, tree.Node, tree.Node]]:
    """(key, key node, value node) of a mapping; duplicates and non-text keys are problems."""
    if not isinstance(node, tree.Mapping):
        problems.expected(node, path, "a mapping")
        return []
    seen: dict[str, tree.Node] = {}
    pairs: list[tuple[str, tree.Node, tree.Node]] = []
    for key, value in node.value:
        if not isinstance(key, tree.Scalar):
            problems.expected(key, path, "a word as key")
        elif tree.cut_off(node, key, value):
            problems.add(key, path, f"{tree.shortened(key.value)!r} has no value: {tree.QUOTE_COMMAS}")
        elif key.value in seen:
            first = tree.place(seen[key.value])
            name = tree.shortened(key.value)
            problems.add(key, path, f"duplicate key {name!r}; it is already at {first}")
        else:
            seen[key.value] = key
            pairs.append((key.value, key, value))
    return pairs


# ---------------------------------------------------------------- scalars

_TIME_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE_UNITS = {
    "B": 1, "kB": 1000, "KB": 1000, "MB": 1000**2, "GB": 1000**3,
    "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3,
}  # fmt: skip
NUMBER = r"[0-9]{1,15}(?:\.[0-9]{1,15})?"
"""What a double holds exactly, or nearly so."""
_QUANTITY = re.compile(rf"({NUMBER})\s*([A-Za-z/%]*)")


_MEANT: Mapping[str, tuple[str, ...]] = {
    "m": ("min", "MB"), "minute": ("min",), "sec": ("s",), "second": ("s",), "hr": ("h",), "hour": ("h",),
    "day": ("d",), "milli": ("ms",), "msec": ("ms",), "millisecond": ("ms",), "usec": ("us",),
    "micro": ("us",), "microsecond": ("us",), "k": ("kB",), "g": ("GB",), "b": ("B",), "byte": ("B",),
    "kb": ("kB",), "mb": ("MB",), "gb": ("GB",), "kib": ("KiB",), "mib": ("MiB",), "gib": ("GiB",),
    "/sec": ("/s",), "/second": ("/s",), "/m": ("/min",), "/minute": ("/min",),
}  # fmt: skip
"""Units as others write them -> those that are meant, of which one fits: `10m` is ten minutes, or as a size
ten megabytes."""

_RATHER_MS = 100
"""A time without a unit of so much or more may come from a file of Redis, where it is in milliseconds."""
_LONGEST_S = 365 * 86400.0
_LARGEST_BYTES = 10**15
_SLOWEST_PER_S, _FASTEST_PER_S = 0.001, 1_000_000
_LARGEST_COUNT = 10**9
"""Beyond these nothing can be run; within them no arithmetic overflows."""


def _quantity(text: str, units: Mapping[str, float], example: str) -> float:
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise Unreadable("")
    number, unit = match.groups()
    if not unit:
        smaller = f"{number}ms or " if example == "s" and float(number) >= _RATHER_MS else ""
        raise Unreadable(f"the unit is missing: write {smaller}{number}{example}")
    if unit not in units:
        meant = next((one for one in _MEANT.get(unit.lower().rstrip("s"), ()) if one in units), None)
        hint = f"; did you mean {meant!r}? legal: {', '.join(units)}" if meant else choices(unit, units)
        raise Unreadable(f"unknown unit {unit!r}{hint}")
    return float(number) * units[unit]


def duration_s(text: str) -> float:
    value = _quantity(text, _TIME_UNITS, "s")
    if value > _LONGEST_S:
        raise Unreadable("at most 365d")
    return value


def _positive_duration_s(text: str) -> float:
    value = 0.0 if re.fullmatch(r"0+(?:\.0*)?", text) else duration_s(text)
    if value == 0:
        raise Unreadable("zero is no time")
    return value


def size_bytes(text: str) -> int:
    size = round(_quantity(text, _SIZE_UNITS, "MB"))
    if size > _LARGEST_BYTES:
        raise Unreadable("at most 1000000GB")
    return size


def _rate_per_s(text: str) -> float:
    rate = _quantity(text, {"/s": 1.0, "/min": 1 / 60}, "/s")
    if rate == 0:
        raise Unreadable("a workload of zero operations proves nothing")
    if not _SLOWEST_PER_S <= rate <= _FASTEST_PER_S:
        raise Unreadable(f"from {_SLOWEST_PER_S}/s to {_FASTEST_PER_S}/s")
    return rate


def _number(text: str) -> float:
    if not re.fullmatch(NUMBER, text):
        raise Unreadable("")
    return float(text)


def _share(text: str) -> float:
    percent = text.endswith("%")
    value = _number(text.removesuffix("%").strip()) / (100 if percent else 1)
    if not 0 <= value <= 1:
        raise Unreadable("")
    return value


def _flag(text: str) -> bool:
    try:
        return {"true": True, "yes": True, "false": False, "no": False}[text]
    except KeyError:
        raise Unreadable("") from None


def _text(text: str) -> str:
    if not text:
        raise Unreadable("")
    return " ".join(text.split())


def count(low: int = 0, high: int | None = None) -> One:
    most = _LARGEST_COUNT if high is None else high

    def parse(text: str) -> int:
        if not re.fullmatch("[0-9]+", text):
            raise Unreadable("")
        if not low <= int(text) <= most:
            raise Unreadable("" if high is not None or int(text) < low else f"at most {most}")
        return int(text)

    span = f"from {low} to {high}" if high is not None else f"of at least {low}"
    looks: dict[str, Any] = {"type": "integer", "minimum": low}
    if high is not None:
        looks["maximum"] = high
    return One(f"a whole number {span}", parse, looks)


def word(words: tuple[str, ...], make: Callable[[str], Any] = str) -> One:
    def parse(text: str) -> Any:
        meant = other_spelling(text, words)
        if meant not in words:
            raise Unreadable(choices(text, words).removeprefix("; "))
        return make(meant)

    return One("one of " + ", ".join(words), parse, {"enum": every_spelling(words)})


def _pattern(units: Mapping[str, float]) -> Schema:
    return {"type": "string", "pattern": rf"^{NUMBER}\s*({'|'.join(units)})$"}


DURATION = One("a time such as 500ms, 2s or 5min", duration_s, _pattern(_TIME_UNITS))
POSITIVE_DURATION = One(
    "a time longer than zero such as 500ms, 2s or 5min", _positive_duration_s, _pattern(_TIME_UNITS)
)
SIZE = One("a size such as 100kB, 64KiB or 10MB", size_bytes, _pattern(_SIZE_UNITS))
RATE = One("a rate such as 200/s", _rate_per_s, {"type": "string", "pattern": rf"^{NUMBER}\s*/(s|min)$"})
FACTOR = One("a number such as 2.0", _number, {"type": "number", "minimum": 0})
SHARE = One(
    "a share such as 0.8 or 80%",
    _share,
    {
        "oneOf": [
            {"type": "number", "minimum": 0, "maximum": 1},
            {"type": "string", "pattern": "^[0-9.]+ ?%$"},
        ]
    },
)
FLAG = One("true or false", _flag, {"type": "boolean"})


def _engine(text: str) -> str:
    if not is_engine_name(text):
        raise Unreadable(meant_engine(text))
    return text


ENGINE = One(
    "an engine such as redis, redis-7.0 or valkey-9.1",
    _engine,
    {"type": "string", "pattern": r"^(redis|valkey)(-\d+(\.\d+)*)?$"},
)


def _of_library(text: str) -> str:
    if not re.fullmatch(LIBRARY_VERSION, text):
        raise Unreadable("numbers with dots")
    return text


OF_LIBRARY = One(
    "a version such as 6.4.0",
    _of_library,
    {"oneOf": [{"type": "number"}, {"type": "string", "pattern": f"^{LIBRARY_VERSION}$"}]},
)


def _report(text: str) -> str:
    if not re.fullmatch(r"[\w.-]+/[\w.-]+#\d+", text):
        raise Unreadable("owner, repository and number")
    return text


REPORT = One(
    "a report such as redis/redis#12762",
    _report,
    {"type": "string", "pattern": r"^[\w.-]+/[\w.-]+#\d+$"},
)


def _version(text: str) -> int:
    if text != "1":
        raise Unreadable("this kit reads format 1")
    return 1


VERSION = One("the format version 1", _version, {"const": 1})
TEXT = One("some text", _text, {"type": "string", "minLength": 1})
DIRECTIVE = One("the directive's value", lambda text: text, {"type": ["string", "number", "boolean"]})
