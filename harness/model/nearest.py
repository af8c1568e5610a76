"""The word that somebody meant who misspelt it: for every name that people type."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from itertools import islice, takewhile
from pathlib import Path

_CLOSE = 0.55
"""From 0 (nothing in common) to 1 (the same); below, a guess helps nobody."""
_AS_NEAR = 8
"""So many are looked at, of those that are nearest."""

_FILES_LOOKED_AT = 1000


def nearest(word: str, words: Iterable[str]) -> str:
    """One of the words, whatever the case and the sign between their parts; empty: none is near. Of several
    that are as near, it is the one that begins like the word for longest."""
    meant, folded = _folded(word), {_folded(one): str(one) for one in words}
    near = difflib.get_close_matches(meant, folded, n=_AS_NEAR, cutoff=_CLOSE)
    found = max(near, default="", key=lambda one: (_likeness(one, meant), _alike_from_the_start(one, meant)))
    return folded.get(found, "")


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """`; did you mean 'x'?`, to follow what was found; empty: no word is near."""
    near = nearest(word, words)
    return f"; did you mean {near!r}?" if near else ""


def near_file(path: Path) -> str:
    """The same of the files in the folder in which this one was looked for."""
    try:
        beside = [one.name for one in islice(path.parent.iterdir(), _FILES_LOOKED_AT) if one.is_file()]
    except OSError:
        return ""
    near = nearest(path.name, sorted(beside))
    return f"; did you mean {str(path.with_name(near))!r}?" if near else ""


def _likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other).ratio()


def _alike_from_the_start(one: str, other: str) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _folded(word: str) -> str:
    return word.lower().replace("_", "-")
