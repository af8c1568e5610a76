"""Passwords that a project may have given its nodes: looked for, then tried.

Only nodes that the run itself started are ever asked with them. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_DIRECTIVE = re.compile(
    r"(?:requirepass|masterauth|sentinel-pass|auth-pass[\s\"']+\S+)[\s\"']+([^\s\"']+)", re.IGNORECASE
)
_OF_A_CLIENT = re.compile(r"(?:\s-a|--pass|REDISCLI_AUTH[=:]|VALKEYCLI_AUTH[=:])[\s\"']*([^\s\"']+)")
_NAMED_SO = re.compile(r"PASS|AUTH|SECRET", re.IGNORECASE)
_LONGEST = 512


def candidates(services: Iterable[Mapping[str, Any]], texts: Iterable[str]) -> tuple[str, ...]:
    """Passwords, likeliest first: in commands, then in files, then in variables that are named so."""
    services = list(services)
    found = [one for service in services for one in _of_commands(service)]
    files = list(texts)
    found += [one for text in files for one in _in(text)]
    found += [value for service in services for value in _of_environment(service)]
    # A secret is a file that holds the password and nothing else.
    found += [
        text.strip() for text in files if 0 < len(text.strip()) <= _LONGEST and "\n" not in text.strip()
    ]
    return tuple(dict.fromkeys(one for one in found if one and "$" not in one))


def _of_commands(service: Mapping[str, Any]) -> Iterator[str]:
    test = (service.get("healthcheck") or {}).get("test")
    for value in (service.get("command"), service.get("entrypoint"), test):
        if not value:
            continue
        words = [str(one).replace("$$", "$") for one in value] if isinstance(value, list) else [str(value)]
        yield from _in(" ".join(words))


def _of_environment(service: Mapping[str, Any]) -> Iterator[str]:
    for name, value in (service.get("environment") or {}).items():
        if value is None:
            continue
        text = str(value).replace("$$", "$")
        if _NAMED_SO.search(name):
            yield text
        yield from _in(text)


def _in(text: str) -> Iterator[str]:
    for pattern in (_DIRECTIVE, _OF_A_CLIENT):
        for found in pattern.finditer(text):
            yield found[1]
