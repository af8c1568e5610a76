"""`cures.yaml`: for a bad result the setting, library or topology that cures it, proved by a run. Pure.

A cure is a variant of the application (another guest file) or of the topology (another scenario). It is
proved where the number that was bad is gone in the variant's run; a smaller number is said as it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
import yaml

from lab.guests.measured import Cell

FILE = Path(__file__).with_name("cures.yaml")
ERRORS = "errors"
PLAIN = ("restarted-with-data",)
"""Cures of another fault that are faults of the table as well."""
NUMBERS = ("put_out", "pages_for_nobody", "got_in", "lost", "hung")
"""What must not happen to users. Error pages are no such thing: they are honest."""


class Cure(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    setting: str
    """Ends the sentence `cured by …`."""
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
        if self.cured is None or self.cured.why_not:
            return "not known"
        return _shown(self.cured, self.number)


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


def _shown(cell: Cell, number: str) -> str:
    return f"{cell.errors_s:.1f} s" if number == ERRORS else str(getattr(cell, number))
