"""What a run of many hosts would leave to judge: a hundred million operations, from what fewer of them cost.

An extrapolation and no promise: each further operation is taken to cost what it did between the two largest
histories that were measured. How many hosts sent them makes no difference to that.
"""

from __future__ import annotations

from pathlib import Path

from lab.bench.judging import LARGE, MIDDLE, SMALL, Judged, best, bytes_per_operation, made
from lab.rows import Row

TO = 100_000_000


def rows(folder: Path, *, repetitions: int) -> list[Row]:
    sizes = [size for size in (SMALL, MIDDLE, LARGE) if size < LARGE or (folder / str(LARGE)).exists()]
    known = [(size, made(folder, size)) for size in sizes[-2:]]
    measured = [(size, best(place, repetitions)) for size, place in known]
    on_disk = [(size, size * bytes_per_operation(place, size) / 1e9) for size, place in known]
    note = "from " + " and ".join(f"{size:,}: {_said(one)}" for size, one in measured)
    return [
        Row(
            name=f"{TO:,} operations, extrapolated: judging",
            measured=extrapolated([(size, one.seconds) for size, one in measured], TO),
            unit="s",
            note=note,
        ),
        Row(
            name=f"{TO:,} operations, extrapolated: memory of judging",
            measured=extrapolated([(size, one.peak_mb / 1024) for size, one in measured], TO),
            unit="GB",
            note=note,
        ),
        Row(
            name=f"{TO:,} operations, extrapolated: history on disk",
            measured=extrapolated(on_disk, TO),
            unit="GB",
            note=", ".join(f"{size:,}: {giga * 1000:.1f} MB" for size, giga in on_disk),
        ),
    ]


def extrapolated(known: list[tuple[int, float]], to: int) -> float:
    """What is to be expected at `to`, where each further one costs what it did between the last two."""
    (fewer, less), (more, most) = known[-2:]
    return most + (most - less) / (more - fewer) * (to - more)


def _said(one: Judged) -> str:
    return f"{one.seconds:.2f} s, {one.peak_mb:.0f} MB"
