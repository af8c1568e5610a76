"""How engines are named: in an expectation `Redis < 7.2` or `Valkey`, in a deployment `redis-7.0`.

Engines differ in a few answers (see docs/decisions.md), and an expectation that names its engine is
left aside on any other. A deployment that names one runs on no other. Shared by the scenario reader, the
backends and the checks.
"""

from __future__ import annotations

import operator
import re

from harness.model.nearest import nearest

_CONDITION = re.compile(
    r"(?P<name>Redis|Valkey)(?:\s*(?P<comparison><=|>=|<|>)\s*(?P<version>\d+(?:\.\d+)*))?"
)
_NAME = re.compile(r"(?P<name>redis|valkey)(?:-(?P<version>\d+(?:\.\d+)*))?")
_ENGINE = re.compile(r"(?P<name>\w+) (?P<version>\d+(?:\.\d+)*)")
_COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def is_condition(text: str) -> bool:
    return _CONDITION.fullmatch(text) is not None


def applies(condition: str | None, engine: str) -> bool:
    """Whether a condition is true of an engine as it reports itself, `Redis 7.0.15`. None: of any. Of
    several, it must be true of each."""
    if condition is None:
        return True
    return all(_applies(condition, one) for one in several(engine))


def several(engine: str) -> list[str]:
    """The engines of a deployment that mixes them; of any other, one."""
    return engine.split(SEPARATOR)


SEPARATOR = ", "


def _applies(condition: str, engine: str) -> bool:
    wanted, found = _CONDITION.fullmatch(condition), _ENGINE.match(engine)
    if wanted is None or found is None or wanted["name"] != found["name"]:
        return False
    if wanted["comparison"] is None:
        return True
    limit = _numbers(wanted["version"])
    return bool(_COMPARE[wanted["comparison"]](_numbers(found["version"])[: len(limit)], limit))


def is_engine_name(text: str) -> bool:
    """`redis`, `redis-7.0`, `valkey-9.1`: an engine, and a version as exact as one likes."""
    return _NAME.fullmatch(text) is not None


def meant_engine(text: str) -> str:
    """What to say to somebody who misspelt such a name: the nearest, and how to list those that are here."""
    family, dash, version = text.partition("-")
    near = nearest(family, ("redis", "valkey"))
    name = f"{near}{dash}{version}"
    hint = f"did you mean {name!r}? " if near and is_engine_name(name) else ""
    return f"{hint}`failover-kit doctor` lists those that are here"


def is_named(name: str | None, engine: str) -> bool:
    """Whether an engine as it reports itself, `Redis 7.0.15`, is the one with this name. None: any is."""
    if name is None:
        return True
    wanted, found = _NAME.fullmatch(name), _ENGINE.match(engine)
    if wanted is None or found is None or wanted["name"] != found["name"].lower():
        return False
    version = _numbers(wanted["version"]) if wanted["version"] else ()
    return _numbers(found["version"])[: len(version)] == version


def engine_name(engine: str) -> str:
    """`redis-7.0` for `Redis 7.0.15`: the name under which a deployment can ask for it."""
    name, _, version = engine.partition(" ")
    return f"{name.lower()}-{'.'.join(version.split('.')[:2])}"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
