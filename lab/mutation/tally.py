"""What came of the mutants, as rows and as text. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from lab.mutation.equivalent import Equivalent
from lab.mutation.operators import Mutant
from lab.rows import Row

KILLED_SHARE = 90.0
WIDEST = 160
NOTICED = ("killed", "timeout")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One mutant, and what came of it."""

    mutant: Mutant
    outcome: str
    """`killed`, `timeout` (of the tests: a mutant that never ends is noticed), `survived`, `equivalent`, or
    `unreached` when no test runs its line."""
    note: str = ""
    """The test that noticed, or why nobody could."""


def rows(tried: Sequence[Tried], stale: Sequence[Equivalent]) -> list[Row]:
    """Nine in ten of those that could be noticed must be."""
    counts = Counter(one.outcome for one in tried)
    noticed = sum(counts[outcome] for outcome in NOTICED)
    could_be = len(tried) - counts["equivalent"]
    if not could_be:
        return [Row(name="mutants tried", measured=0, at_least=1)]
    return [
        Row(name="mutants tried", measured=len(tried), at_least=1),
        Row(
            name="killed, of those that are not equivalent",
            measured=100 * noticed / could_be,
            unit="%",
            at_least=KILLED_SHARE,
            note=f"{noticed} of {could_be}, {counts['timeout']} of them by never ending",
        ),
        Row(
            name="survived",
            measured=could_be - noticed,
            note=f"{counts['unreached']} of them on lines that no test runs",
        ),
        Row(
            name="equivalent", measured=counts["equivalent"], note="listed with the reason in equivalent.toml"
        ),
        Row(
            name="entries of equivalent.toml that fit nothing",
            measured=len(stale),
            at_most=0,
            note="; ".join(f"{one.file} {one.scope}: {one.after}" for one in stale)[:500],
        ),
    ]


def survivors(tried: Sequence[Tried]) -> str:
    """Each with its place, the kind of change in a word, and the line before and after."""
    return "\n".join(_lines(one) for one in tried if one.outcome not in (*NOTICED, "equivalent"))


def _lines(one: Tried) -> str:
    mutant = one.mutant
    where = f"{mutant.file}:{mutant.line} {mutant.scope}".rstrip()
    unreached = ", no test runs it" if one.outcome == "unreached" else ""
    return f"{where}: {mutant.kind}{unreached}\n  - {_cut(mutant.before)}\n  + {_cut(mutant.after)}"


def _cut(line: str) -> str:
    return line if len(line) <= WIDEST else f"{line[: WIDEST - 1]}…"
