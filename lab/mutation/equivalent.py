"""Mutants that change nothing which anybody could notice, from `equivalent.toml`. Pure.

An entry names the function, the lines before and after, and says why no test can tell them apart. One that
fits no mutant any more is stale: the measurement says so, and it must be taken out.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.mutation.operators import Mutant

FILE = Path(__file__).with_name("equivalent.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Equivalent:
    file: str
    scope: str
    before: str
    after: str
    why: str

    def fits(self, mutant: Mutant) -> bool:
        return (self.file, self.scope, self.before, self.after) == (
            mutant.file,
            mutant.scope,
            mutant.before,
            mutant.after,
        )


def read_equivalents(text: str, folder: str = "") -> tuple[Equivalent, ...]:
    """The entries of the file's text that are about this folder; empty: all."""
    entries = (Equivalent(**entry) for entry in tomllib.loads(text).get("equivalent", ()))
    return tuple(one for one in entries if one.file.startswith(folder))


def why_equivalent(mutant: Mutant, equivalents: Iterable[Equivalent]) -> str | None:
    """The reason, if the mutant is listed."""
    return next((one.why for one in equivalents if one.fits(mutant)), None)


def stale(equivalents: Sequence[Equivalent], mutants: Iterable[Mutant]) -> tuple[Equivalent, ...]:
    """Entries that no mutant fits."""
    there = {(one.file, one.scope, one.before, one.after) for one in mutants}
    return tuple(one for one in equivalents if (one.file, one.scope, one.before, one.after) not in there)
