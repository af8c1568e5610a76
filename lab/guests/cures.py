"""`cures.yaml`: for a bad result what may cure it (setting, library, topology), and what its run says. Pure.

A cure is a variant of the application (another guest file) or of the topology (another scenario). Its run
answers: the number that was bad is gone, smaller, no better, or worse; and what became worse instead.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from enum import StrEnum
from math import sqrt
from pathlib import Path

import msgspec
import yaml

from lab.guests.measured import Cell

FILE = Path(__file__).with_name("cures.yaml")
ERRORS = "errors"
RESTARTED = "restarted"
PLAIN = ("restarted-with-data",)
"""Cures of another fault that are faults of the table as well."""
NUMBERS = ("put_out", "pages_for_nobody", "got_in", "lost", "hung", RESTARTED)
"""What must not happen to users. Error pages are no such thing: they are honest."""
NOTICED_S = 1.0
"""Error pages that last longer by less are no difference between two single runs."""


class Helped(StrEnum):
    """What the one run with a cure says of it."""

    GONE = "gone"
    GONE_BY_CHANCE = "gone, may be chance"
    BETTER = "better"
    NO_BETTER = "no better"
    WORSE = "worse"
    NOT_KNOWN = "not known"


class Cure(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    setting: str
    """What was changed, as a reader looks for it."""
    guests: tuple[str, ...]
    faults: tuple[str, ...]
    numbers: tuple[str, ...]
    """What it cures, of `NUMBERS`; `errors`: the seconds of error pages."""
    by_guest: str = ""
    """The variant of the application; empty: the same."""
    by_fault: str = ""
    """The variant of the topology under the same fault; empty: the same."""


class Proof(msgspec.Struct, kw_only=True, frozen=True):
    """One bad number of one cell, and what became of it with a cure."""

    cure: Cure
    bad: Cell
    number: str
    cured: Cell | None
    """None: it was not run."""

    @property
    def before(self) -> str:
        return _shown(self.bad, self.number)

    @property
    def after(self) -> str:
        return _shown(self.cured, self.number) if self.cured and self._known else Helped.NOT_KNOWN

    @property
    def helped(self) -> Helped:
        if self.cured is None or not self._known:
            return Helped.NOT_KNOWN
        before, after = _number(self.bad, self.number), _number(self.cured, self.number)
        differ = _differ(self.number, before, after)
        if not after:
            return Helped.GONE if differ else Helped.GONE_BY_CHANCE
        if not differ:
            return Helped.NO_BETTER
        return Helped.BETTER if after < before else Helped.WORSE

    @property
    def cost(self) -> tuple[str, ...]:
        """The other numbers of the cell that are worse with the cure."""
        others = [one for one in (*NUMBERS, ERRORS) if one != self.number]
        return tuple(one for one in others if self._known and self._grew(one))

    def both(self, number: str) -> str:
        """`0.3 s to 11.0 s`."""
        return f"{_shown(self.bad, number)} to {_shown(self.cured, number)}" if self.cured else ""

    @property
    def _known(self) -> bool:
        if self.cured is None or self.cured.why_not or self.bad.why_not:
            return False
        return self.number not in (*self.bad.undecided, *self.cured.undecided)

    def _grew(self, number: str) -> bool:
        before, after = _number(self.bad, number), _number(self.cured, number) if self.cured else 0.0
        return after > before and _differ(number, before, after)


class _File(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    cures: tuple[Cure, ...]


def read_cures(path: Path = FILE) -> tuple[Cure, ...]:
    """
    Raises:
        msgspec.ValidationError: the file has another shape.
    """
    return msgspec.convert(yaml.safe_load(path.read_text(encoding="utf-8")), type=_File).cures


def proofs(cures: Sequence[Cure], cells: Mapping[tuple[str, str], Cell]) -> Iterator[Proof]:
    """Every bad number that a cure is for, in the order of the cures."""
    for cure in cures:
        for guest in cure.guests:
            for fault in cure.faults:
                bad = cells.get((guest, fault))
                for number in cure.numbers if bad is not None else ():
                    assert bad is not None
                    if _number(bad, number):
                        cured = cells.get((cure.by_guest or guest, cure.by_fault or fault))
                        yield Proof(cure=cure, bad=bad, number=number, cured=cured)


def without_cure(cures: Sequence[Cure], cells: Mapping[tuple[str, str], Cell]) -> Iterator[tuple[Cell, str]]:
    """Every bad number that no cure is named for."""
    named = {
        (guest, fault, number)
        for cure in cures
        for guest in cure.guests
        for fault in cure.faults
        for number in cure.numbers
    }
    for cell in cells.values():
        for number in NUMBERS:
            if getattr(cell, number) and (cell.guest, cell.fault, number) not in named:
                yield cell, number


def needed(cures: Sequence[Cure], guest: str, fault: str, plain: Collection[str] = PLAIN) -> bool:
    """Whether a cell belongs to the table. A variant goes only through what it is to cure; what is no variant
    goes through everything."""
    variant = any(cure.by_guest == guest for cure in cures)
    variant |= fault not in plain and any(cure.by_fault == fault for cure in cures)
    return not variant or any(
        guest in _of(cure.by_guest, cure.guests) and fault in _of(cure.by_fault, cure.faults)
        for cure in cures
    )


def _of(variant: str, plain: Sequence[str]) -> Sequence[str]:
    return (variant,) if variant else plain


def _number(cell: Cell, number: str) -> float:
    return cell.errors_s if number == ERRORS else float(getattr(cell, number))


def _differ(number: str, before: float, after: float) -> bool:
    """Whether two single runs differ by more than they may by chance: counts by twice their spread. Of a web
    server that serves only after a restart the run itself has shown that."""
    apart = abs(before - after)
    if number == RESTARTED:
        return apart > 0
    return apart > NOTICED_S if number == ERRORS else apart > 2 * sqrt(before + after)


def _shown(cell: Cell, number: str) -> str:
    return f"{cell.errors_s:.1f} s" if number == ERRORS else str(getattr(cell, number))
