"""What a measurement ends with: rows of {name, measured, bound, met}, as a table and as a file.

`selftest`, `calibrate`, `bench`, `pressure`, `engines` and `mutation` measure the kit itself. Each ends
in `report`, which prints the rows, writes `runs/<name>.json` beside the machine and the versions that
they hold for, and returns the exit status. A row that could not be measured says why, and is neither met
nor missed.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness.running.environment import PACKAGES, package_version
from harness.safe_files import write_file

ROOT = Path(__file__).resolve().parents[1]
RUNS = ROOT / "runs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One thing measured. A row is met from `at_least` to `at_most`, both included; with neither it is
    there to be read. Units belong into the name or, for the table, into `unit`."""

    name: str
    measured: float | None
    at_least: float | None = None
    at_most: float | None = None
    unit: str = ""
    note: str = ""
    """What exactly was counted, or why it was not."""

    @property
    def met(self) -> bool | None:
        """None: not measured, or without a bound."""
        if self.measured is None or (self.at_least is None and self.at_most is None):
            return None
        return not (
            (self.at_least is not None and self.measured < self.at_least)
            or (self.at_most is not None and self.measured > self.at_most)
        )

    @property
    def bound(self) -> str:
        words = []
        if self.at_least is not None:
            words.append(f">= {_number(self.at_least)}")
        if self.at_most is not None:
            words.append(f"<= {_number(self.at_most)}")
        return " and ".join(words)


def skipped(name: str, why: str) -> Row:
    """A row for what cannot be measured here."""
    return Row(name=name, measured=None, note=why)


def report(name: str, rows: Sequence[Row], *, directory: Path = RUNS, title: str = "") -> int:
    """Print the rows, write `<directory>/<name>.json`; 1 if a row missed its bound, else 0."""
    directory.mkdir(parents=True, exist_ok=True)
    write_file(directory / f"{name}.json", (json.dumps(document(rows), indent=2) + "\n").encode())
    print(table(rows, title=title))
    return exit_status(rows)


def exit_status(rows: Sequence[Row]) -> int:
    return 1 if any(row.met is False for row in rows) else 0


def document(rows: Sequence[Row]) -> dict[str, object]:
    """What the file holds."""
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "rows": [
            {
                "name": row.name,
                "measured": row.measured,
                "unit": row.unit,
                "bound": row.bound or None,
                "met": row.met,
                "note": row.note,
            }
            for row in rows
        ],
    }


def machine() -> dict[str, str | float]:
    """What a reader must know before comparing these numbers with another machine's."""
    return {
        "machine": platform.machine(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "cpus": os.cpu_count() or 0,
        "load_1_min": round(os.getloadavg()[0], 2),
        **{package: package_version(package) for package in PACKAGES},
    }


def table(rows: Sequence[Row], *, title: str = "") -> str:
    """The rows in aligned columns; notes on lines of their own."""
    cells = [("", "measured", "bound", "met")]
    cells += [(row.name, _measured(row), row.bound, _met(row)) for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(4)]
    lines = [title] if title else []
    for n, line in enumerate(cells):
        name, measured, bound, met = line
        lines.append(f"{name:<{widths[0]}}  {measured:>{widths[1]}}  {bound:<{widths[2]}}  {met}".rstrip())
        if n and rows[n - 1].note:
            lines.append(f"    {rows[n - 1].note}")
    return "\n".join(lines)


def _measured(row: Row) -> str:
    return "-" if row.measured is None else f"{_number(row.measured)} {row.unit}".rstrip()


def _met(row: Row) -> str:
    if row.met is None:
        return "not measured" if row.measured is None else ""
    return "met" if row.met else "MISSED"


def _number(value: float) -> str:
    """Three significant digits, whole numbers whole."""
    if value == int(value) or abs(value) >= 1000:
        return f"{value:.0f}"
    return f"{value:.3g}"
