"""The rows that each library passed: from pytest's results to a table. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from xml.etree import ElementTree as ET

import msgspec

from harness.libraries import LIBRARIES
from lab.published import MadePart

MADE = MadePart(
    "<!-- made by make client-conformance: begin -->", "<!-- made by make client-conformance: end -->"
)
_NAMES = "|".join(map(re.escape, LIBRARIES))
_OF = re.compile(rf"\[(?:.*-)?({_NAMES})(?:=([^-\]]+))?(?:-.*)?\]$")
"""Among the parameters of a test: the library that it is about, and its version."""


class Passed(msgspec.Struct, kw_only=True, frozen=True):
    """One version of a library."""

    library: str
    version: str
    """Empty: the one that is taken when nobody asks for another."""
    rows: int
    """Without those that were skipped."""
    others: tuple[str, ...]
    """Names of the rows that did not come out."""
    measured_on: str
    """Date, ISO 8601."""

    @property
    def place(self) -> tuple[str, str]:
        return self.library, self.version


def passed_in(junit: bytes, measured_on: str) -> list[Passed]:
    """What a file in JUnit's format says of each library; what is about none is left out.

    Raises:
        ValueError: it is no XML.
    """
    try:
        suites = ET.fromstring(junit)  # noqa: S314 - pytest wrote it a moment ago
    except ET.ParseError as problem:
        raise ValueError(f"expected results of pytest in XML, found {problem}") from problem
    rows: dict[tuple[str, str], list[tuple[str, bool]]] = defaultdict(list)
    for case in suites.iter("testcase"):
        name = case.get("name", "")
        about = _OF.search(name)
        if about is not None and case.find("skipped") is None:
            came_out = case.find("failure") is None and case.find("error") is None
            rows[about[1], about[2] or ""].append((name, came_out))
    return [
        Passed(
            library=library,
            version=version,
            rows=len(found),
            others=tuple(name for name, came_out in found if not came_out),
            measured_on=measured_on,
        )
        for (library, version), found in rows.items()
    ]


def after_all(before: Iterable[Passed], now: Iterable[Passed]) -> list[Passed]:
    """What was measured now, and what was not measured again, in the order of the kit's libraries."""
    known = {one.place: one for one in (*before, *now)}
    order = list(LIBRARIES)
    return sorted(known.values(), key=lambda one: (order.index(one.library), _number(one.version)))


def markdown(found: Iterable[Passed]) -> str:
    lines = ["| library | version | rows passed | not passed | on |", "| --- | --- | --- | --- | --- |"]
    for one in found:
        others = ", ".join(f"`{name}`" for name in one.others)
        passed = f"{one.rows - len(one.others)} of {one.rows}"
        version = said_of(one.library, one.version)
        lines.append(f"| `{one.library}` | {version} | {passed} | {others} | {one.measured_on} |")
    return "\n".join(lines)


def said_of(library: str, version: str) -> str:
    """The version in words: `6.4.0`, `the kit's own`."""
    return version or LIBRARIES[library].version or "the kit's own"


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))
