"""What is filled into a request, and what the kit makes of values that come back.

A theme carries the number of the operation that wrote it, as every value of a session does. An item is called
`item3` outside and `cart:3` in a history. Trap: an application has values of its own from the beginning
("light"); nobody's operation wrote them, and they say nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from harness.application import THEMES

ITEMS = 6
PASSWORD = "failover"

_BRACED = re.compile(r"\{([a-z]+)\}")
_OURS = re.compile(r"[0-9]+:[a-z]+")
_ITEM = re.compile(r"item([0-9]+)")
_WHOLE = re.compile(r"-?[0-9]+")


def filled(text: str, words: Mapping[str, str]) -> str:
    """`text` with each `{word}` replaced; other braces stay as they are."""
    return _BRACED.sub(lambda found: words.get(found[1], found[0]), text)


def words_of(user: str, operation: int, dice: int) -> dict[str, str]:
    """Everything that one operation may send, chosen by its dice."""
    return {
        "user": user,
        "password": PASSWORD,
        "value": f"{operation}:{THEMES[(dice >> 1) % len(THEMES)]}",
        "item": f"item{(dice >> 8) % ITEMS}",
        "quantity": str(1 + (dice >> 16) % 3),
    }


def field_of(item: str) -> str:
    """The field of a history that an item's quantity is in."""
    return f"cart:{item.removeprefix('item')}"


def written(shown: object) -> str | None:
    """A value of the field as the kit writes it; None: the application's own, or nothing."""
    return shown if isinstance(shown, str) and _OURS.fullmatch(shown) else None


def quantities(shown: object) -> dict[str, str]:
    """The fields of a cart that is shown as a JSON object, item -> quantity."""
    if not isinstance(shown, Mapping):
        return {}
    pairs = ((_ITEM.fullmatch(str(item)), str(quantity)) for item, quantity in shown.items())
    return {f"cart:{item[1]}": quantity for item, quantity in pairs if item and _WHOLE.fullmatch(quantity)}
