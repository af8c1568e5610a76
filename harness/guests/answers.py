"""One answer of an application, and how it is recognised. Pure.

Trap: JSON is read once, and only where somebody asks for it. What is no JSON has no places.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import urlsplit

from harness.model.guest import Place, Sign

_SHOWN = 60


@dataclass(frozen=True, kw_only=True)  # no slots: its JSON is kept once it was read
class Answer:
    status: int
    body: str = ""
    location: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Names in small letters."""

    @cached_property
    def parsed(self) -> object:
        """Its JSON; None: it has none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @property
    def said(self) -> str:
        """In short, for people: `302 to /login`, `200`."""
        where = urlsplit(self.location).path or self.location
        return f"{self.status} to {where[:_SHOWN]}" if self.location else str(self.status)


def found_in(answer: Answer, place: Place) -> object:
    """What is there; None: nothing."""
    if place.json:
        return _at(answer.parsed, place.json)
    if place.header:
        return answer.headers.get(place.header.lower())
    match = re.search(place.text, answer.body)
    if match is None:
        return None
    return match[1] if match.re.groups else match[0]


def is_so(answer: Answer, sign: Sign) -> bool:
    """Whether all that a sign names is so. A sign that names nothing is any status below 400."""
    if sign == Sign():
        return answer.status < 400
    if sign.status and answer.status not in sign.status:
        return False
    if sign.redirect and not urlsplit(answer.location).path.startswith(sign.redirect):
        return False
    if sign.text and re.search(sign.text, answer.body) is None:
        return False
    if not sign.json:
        return True
    there = _at(answer.parsed, sign.json)
    return there is not None if sign.equals is None else as_text(there) == sign.equals


def as_text(value: object) -> str:
    """A value of JSON as a guest file writes it."""
    return value if isinstance(value, str) else json.dumps(value)


def _at(value: object, path: str) -> object:
    for word in path.split("."):
        if isinstance(value, Mapping):
            value = value.get(word)
        elif isinstance(value, list) and word.isdecimal() and int(word) < len(value):
            value = value[int(word)]
        else:
            return None
    return value
