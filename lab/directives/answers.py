"""From what a server said of a line of its configuration to the form that its value must have. Pure.

A form is one line of text, as `harness.model.directive_values` reads it:

    words always everysec no     one of these
    flags default save nosave    some of these
    number 0 100                 a whole number in this span
    memory 1048576               a size of at least so many bytes, such as 100mb
    share 0                      a size, or a share of the machine's memory such as 5%
    text                         anything
    lines                        arguments of its own, which nothing here knows
"""

from __future__ import annotations

import re
from collections.abc import Mapping

WRONG = "kx7q"
"""No directive takes it unless it takes anything."""

LOWEST = "-9223372036854775807"

ACCEPTED = ""


def unknown(said: str) -> bool:
    """Redis 8 takes an unknown name for a module's, and ends as no module asks for it."""
    return "Bad directive" in said or "Module Configuration detected" in said


def further_probes(said: str) -> tuple[str, ...]:
    """Which values are to be tried next, after what was said of the wrong one."""
    words = _words(said)
    if words:
        return (f"{words[0]} {words[1]}",) if len(words) > 1 else ()
    if "integer" in said:
        return (LOWEST,)
    return ("0", "1") if "memory" in said else ()


def form(said: str, then: Mapping[str, str]) -> str:
    """`said` of the wrong value, `then` of each further one."""
    words = _words(said)
    if words:
        several = any(answer == ACCEPTED for answer in then.values())
        return f"{'flags' if several else 'words'} {' '.join(sorted(words))}"
    if "'yes' or 'no'" in said:
        return "words no yes"
    if "integer" in said:
        span = _span(then.get(LOWEST, ""))
        return f"number {span[0]} {span[1]}" if span else "lines"
    if "memory" in said:
        least = [span[0] for answer in then.values() if (span := _span(answer))]
        return f"{'share' if 'percent' in said else 'memory'} {least[0] if least else 0}"
    return "text" if said == ACCEPTED else "lines"


def _words(said: str) -> list[str]:
    found = re.search(r"must be one of the following: (.+)", said)
    return [word.strip() for word in found[1].split(",")] if found else []


def _span(said: str) -> tuple[str, str] | None:
    found = re.search(r"between (-?\d+) and (-?\d+)", said)
    return (found[1], found[2]) if found else None
