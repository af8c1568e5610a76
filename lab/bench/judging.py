"""What judging costs: seconds and memory of a fresh process, from a closed history to its findings.

    python -m lab.bench.judging FOLDER      judge it here; prints one line of JSON

Histories come from `long_run`. What is timed is `harness.saved.judging.judge_folder`: reading, judging,
writing findings, metrics and page. Before any time counts, the verdict must be right: nothing found in a
clean history, and in a broken one every broken session, and no other.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.saved.judging import judge_folder
from lab.bench.application import SHOP
from lab.bench.long_run import Wanted
from lab.rows import ROOT, Row

SESSIONS_PER_OPERATION = {"": 0.01, SHOP: 0.04}
"""By the mix; of the shop's as many as log-ins are of it."""
SMALL, MIDDLE, LARGE = 100_000, 1_000_000, 10_000_000
BROKEN_SHARE = 0.01
AT_MOST_S = 3.0
AT_MOST_MB = 600.0
LARGE_AT_MOST_MB = 1200.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    seconds: float
    cpu_seconds: float
    peak_mb: float
    findings: int
    sessions: int
    """Sessions with a finding."""


def rows(folder: Path, *, repetitions: int, largest: int) -> list[Row]:
    """`largest` below ten million: the marginal cost is taken up to there, and the row says so."""
    small = best(made(folder, SMALL), repetitions)
    middle_folder = made(folder, MIDDLE)
    middle = best(middle_folder, repetitions)
    broken_folder = made(folder, MIDDLE, BROKEN_SHARE)
    broken = best(broken_folder, repetitions)
    for size, judged in ((SMALL, small), (MIDDLE, middle)):
        _expect(f"clean, {size:,} operations", judged.findings, 0)
    _expect("sessions found broken", broken.sessions, _broken_in(broken_folder))
    shop = best(made(folder, MIDDLE, traffic=SHOP), repetitions)
    _expect(f"clean, {MIDDLE:,} operations of a shop", shop.findings, 0)
    found = [
        Row(
            name="judging 1,000,000 operations, 10,000 sessions, clean",
            measured=middle.seconds,
            at_most=AT_MOST_S,
            unit="s",
            note=f"from the closed history to findings, metrics and page; best of {repetitions}, "
            f"{middle.cpu_seconds:.2f} s of CPU; {bytes_per_operation(middle_folder, MIDDLE):.1f} bytes an "
            "operation on disk, samples, clocks and audit included",
        ),
        Row(
            name="judging 1,000,000 operations: peak memory",
            measured=middle.peak_mb,
            at_most=AT_MOST_MB,
            unit="MB",
            note="largest resident size of the whole process",
        ),
        Row(
            name="judging with one session in a hundred broken / clean",
            measured=broken.seconds / middle.seconds,
            at_most=2.0,
            note=f"{broken.seconds:.2f} s for {broken.findings} findings on {broken.sessions} sessions",
        ),
        Row(
            name="judging 1,000,000 operations of `traffic: shop` / of the usual mix",
            measured=shop.seconds / middle.seconds,
            at_most=2.0,
            note=f"{shop.seconds:.2f} s and {shop.peak_mb:.0f} MB; with forms, tokens, profiles, limits and "
            "rotation, and four times as many log-ins",
        ),
    ]
    if largest > MIDDLE:
        large = best(made(folder, largest), repetitions)
        _expect(f"clean, {largest:,} operations", large.findings, 0)
        found.append(
            Row(
                name=f"judging {largest:,} operations: peak memory",
                measured=large.peak_mb,
                at_most=LARGE_AT_MOST_MB,
                unit="MB",
                note="largest resident size of the whole process",
            )
        )
        found.append(_marginal(small, middle, large, largest))
    return found


def _marginal(small: Judged, middle: Judged, large: Judged, largest: int) -> Row:
    first = marginal_us(SMALL, small.seconds, MIDDLE, middle.seconds)
    second = marginal_us(MIDDLE, middle.seconds, largest, large.seconds)
    return Row(
        name=f"judging: cost of a further operation up to {largest:,} / up to {MIDDLE:,}",
        measured=second / first,
        at_most=1.5,
        note=f"{first:.2f} and {second:.2f} µs; {SMALL:,}: {small.seconds:.2f} s, {small.peak_mb:.0f} MB; "
        f"{MIDDLE:,}: {middle.seconds:.2f} s, {middle.peak_mb:.0f} MB; "
        f"{largest:,}: {large.seconds:.2f} s, {large.peak_mb:.0f} MB",
    )


def marginal_us(fewer: int, fewer_s: float, more: int, more_s: float) -> float:
    """Microseconds that each further operation costs between two sizes."""
    return (more_s - fewer_s) / (more - fewer) * 1e6


def best(folder: Path, repetitions: int) -> Judged:
    """The fastest of several fresh processes: a busy machine only ever adds time."""
    return min((judged(folder) for _ in range(repetitions)), key=lambda one: one.seconds)


def judged(folder: Path) -> Judged:
    said = _python("lab.bench.judging", str(folder))
    return Judged(**json.loads(said.splitlines()[-1]))


def made(folder: Path, operations: int, broken_share: float = 0.0, traffic: str = "") -> Path:
    """The history, made in a process of its own unless it is there already."""
    wanted = Wanted(
        operations=operations,
        sessions=int(operations * SESSIONS_PER_OPERATION[traffic]),
        broken_share=broken_share,
    )
    into = folder / f"{operations}{'-broken' if broken_share else ''}{traffic and f'-{traffic}'}"
    if not (into / "made.json").exists():
        arguments = [str(into), str(operations), str(wanted.sessions), str(broken_share), traffic]
        (into.parent).mkdir(parents=True, exist_ok=True)
        made = _python("lab.bench.long_run", *arguments)
        (into / "made.json").write_text(made)
    return into


def _broken_in(folder: Path) -> int:
    return int(json.loads((folder / "made.json").read_text())["broken"])


def bytes_per_operation(folder: Path, operations: int) -> float:
    return int(json.loads((folder / "made.json").read_text())["closed_bytes"]) / operations


def _expect(what: str, found: int, expected: int) -> None:
    if found != expected:
        raise RuntimeError(f"{what}: expected {expected} findings, found {found}: times mean nothing")


def _python(module: str, *arguments: str) -> str:
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def main(arguments: Sequence[str]) -> None:
    began, cpu = time.perf_counter(), time.process_time()
    result = judge_folder(Path(arguments[0]))
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu
    assert result.judgement is not None
    findings = result.judgement.findings
    print(
        json.dumps(
            {
                "seconds": seconds,
                "cpu_seconds": cpu_seconds,
                "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "findings": len(findings),
                "sessions": len({one.session for one in findings}),
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1:])
