"""Which engine an expectation is about: `Redis < 7.2`, `Valkey`, `Redis >= 7.2`.

Engines differ in a few answers (see docs/decisions.md), and an expectation that names its engine is
left aside on any other. Shared by the scenario reader and the checks.
"""

from __future__ import annotations

import operator
import re

_CONDITION = re.compile(
    r"(?P<name>Redis|Valkey)(?:\s*(?P<comparison><=|>=|<|>)\s*(?P<version>\d+(?:\.\d+)*))?"
)
_ENGINE = re.compile(r"(?P<name>\w+) (?P<version>\d+(?:\.\d+)*)")
_COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def is_condition(text: str) -> bool:
    return _CONDITION.fullmatch(text) is not None


def applies(condition: str | None, engine: str) -> bool:
    """Whether a condition is true of an engine as it reports itself, `Redis 7.0.15`. None: of any."""
    if condition is None:
        return True
    wanted, found = _CONDITION.fullmatch(condition), _ENGINE.match(engine)
    if wanted is None or found is None or wanted["name"] != found["name"]:
        return False
    if wanted["comparison"] is None:
        return True
    limit = _numbers(wanted["version"])
    return bool(_COMPARE[wanted["comparison"]](_numbers(found["version"])[: len(limit)], limit))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
