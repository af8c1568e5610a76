"""`python -m lab.calibrate`: the tables of `make calibrate`, and runs/calibrate.json.

Takes about six minutes. Run it on a machine that does nothing else: a busy one is measured too.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness.model.deployment import ClientProfile
from harness.model.words import Discovery, OperationKind, Phase
from harness.options import Parser
from harness.running import selection
from harness.running.worker_words import SKEWED
from lab.calibrate.judge import (
    SLACK_S,
    client_adds_s,
    errors_of,
    expected_percentile_s,
    lateness_ms,
    outside_s,
    worst,
)
from lab.calibrate.stopped import patient, plan_of, run
from lab.command import as_command
from lab.rows import RUNS, Row, report

PAUSES_S = (0.5, 1.0, 2.0, 5.0)
RATE_PER_S = 50.0
BEHAVIOURS = {
    "read": OperationKind.READ,
    "change-field": OperationKind.WRITE,
    "touch": OperationKind.TOUCH,
}
"""One kind of operation each; repetitions take turns."""

LONG_RUN_S = 60.0
LONG_RUN_PAUSE_S = 2.0
CLOCKS = "two clocks, 50 ms and 200 ppm apart"
ONE_CLOCK = "the same load from one process"
WRONG_CLOCK = "2=50000,200"
CLOCKS_PAUSES_S = (1.0, 2.0)
CLOCKS_MIX = {"read": 60.0, "touch": 15.0, "change-field": 15.0, "log-in": 5.0, "logout": 5.0}

PERCENTILE_WITHIN_S = 0.1
"""After the pause everything that waited is answered at once, and queues in the client for its CPU:
the rank that is looked at comes about 60th."""


def main() -> int:
    given = _parser().parse_args()
    folder = given.out / f"calibrate-{secrets.token_hex(3)}"
    late_ms: list[float] = []
    rows = [row for name in given.only or PARTS for row in PARTS[name](given.repetitions, folder, late_ms)]
    rows.append(
        Row(
            name="this machine: worst lateness of a thread that does nothing else",
            measured=max(late_ms),
            unit="ms",
            note="errors of this size are the machine's, not the kit's",
        )
    )
    return report("calibrate", rows, directory=given.out, title=f"\ncalibration, runs in {folder}")


def _parser() -> Parser:
    parser = Parser(prog="python -m lab.calibrate", description=__doc__)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=tuple(PARTS), help="some parts; default: all")
    parser.add_argument("--out", type=Path, default=RUNS)
    return parser


def outages(repetitions: int, folder: Path, late_ms: list[float]) -> list[Row]:
    """A client that outwaits the pause, constant arrivals: the outage is the pause."""
    errors: dict[float, list[float]] = defaultdict(list)
    for number in range(repetitions):
        behaviour, kind = list(BEHAVIOURS.items())[number % len(BEHAVIOURS)]
        plan = plan_of(
            mix={behaviour: 1.0},
            rate_per_s=RATE_PER_S,
            client=patient(PAUSES_S),
            pauses_s=PAUSES_S,
            seed=number,
        )
        measured = run(plan, PAUSES_S, folder / f"pauses-{number + 1}-{behaviour}")
        late_ms.append(lateness_ms(measured))
        for pause_s, error in errors_of(measured, kind).items():
            errors[pause_s].append(error)
    within_s = 1 / RATE_PER_S + SLACK_S
    return [
        _error_row(f"outage, node stopped for {pause_s:g} s: error", found, -within_s, within_s)
        for pause_s, found in errors.items()
    ]


def profiles(repetitions: int, folder: Path, late_ms: list[float]) -> list[Row]:
    """Each client that the shipped scenarios configure: the pause, and at most what the client adds."""
    rows = []
    within_s = 1 / RATE_PER_S + SLACK_S
    for name, client in shipped_profiles().items():
        found: list[float] = []
        for number in range(repetitions):
            behaviour, kind = list(BEHAVIOURS.items())[number % len(BEHAVIOURS)]
            plan = plan_of(
                mix={behaviour: 1.0}, rate_per_s=RATE_PER_S, client=client, pauses_s=PAUSES_S, seed=number
            )
            folder_name = f"{name.replace(' ', '-').replace(',', '')}-{number + 1}"
            measured = run(plan, PAUSES_S, folder / folder_name)
            late_ms.append(lateness_ms(measured))
            found += errors_of(measured, kind).values()
        added_s = client_adds_s(client)
        row = _error_row(f"outage, {name}: over the pause", found, -within_s, within_s + added_s)
        rows.append(replace(row, note=f"time-out + back-off: {1000 * added_s:g} ms; {row.note}"))
    return rows


def shipped_profiles() -> dict[str, ClientProfile]:
    """What the scenarios' clients do when a node does not answer, each once. How they find the primary
    makes no difference with a single node, and is left at a fixed address."""
    found = {}
    for scenario in selection.load(selection.scenario_files(None), suite=None, overrides=(), deployment=None):
        client = scenario.deployment.client
        name = f"time-out {1000 * client.socket_timeout_s:g} ms, {client.application_retries} retries"
        found[name] = replace(client, discovery=Discovery.FIXED_ADDRESS)
    return dict(sorted(found.items()))


def latencies(repetitions: int, folder: Path, late_ms: list[float]) -> list[Row]:
    """Latency counts from the due time: one pause in a long run shows in its percentiles."""
    pauses_s = (LONG_RUN_PAUSE_S,)
    errors, notes = [], []
    for number in range(repetitions):
        plan = plan_of(
            mix={"read": 1.0},
            rate_per_s=RATE_PER_S,
            client=patient(pauses_s),
            pauses_s=pauses_s,
            duration_s=LONG_RUN_S,
            seed=number,
        )
        measured = run(plan, pauses_s, folder / f"latency-{number + 1}")
        late_ms.append(lateness_ms(measured))
        reads = next(
            one
            for one in measured.metrics.latency
            if one.kind == OperationKind.READ and one.phase == Phase.SETTLED
        )
        expected_s = expected_percentile_s(
            share=0.99, count=reads.count, interval_s=1 / RATE_PER_S, pause_s=measured.pauses[0].at_least_s
        )
        errors.append(reads.p99_ms / 1000 - expected_s)
        notes.append(f"{reads.p99_ms:.0f} of {1000 * expected_s:.0f}")
    row = _error_row(
        f"p99 of a {LONG_RUN_S:g} s run, node stopped for {LONG_RUN_PAUSE_S:g} s: error",
        errors,
        -PERCENTILE_WITHIN_S,
        PERCENTILE_WITHIN_S,
    )
    return [replace(row, note=f"measured of expected, ms: {', '.join(notes)}")]


def two_clocks(repetitions: int, folder: Path, late_ms: list[float]) -> list[Row]:
    """Two load workers, the clock of one wrong and drifting: nothing is found, and the truth is inside. The
    same load from one process, beside it, says what the machine itself adds."""
    outside: dict[tuple[str, float], list[tuple[float, float]]] = defaultdict(list)
    findings, widths_ms = [], []
    for number in range(repetitions):
        for name, workers, environment in ((CLOCKS, 2, {SKEWED: WRONG_CLOCK}), (ONE_CLOCK, 0, {})):
            plan = plan_of(
                mix=CLOCKS_MIX,
                rate_per_s=RATE_PER_S,
                client=patient(CLOCKS_PAUSES_S),
                pauses_s=CLOCKS_PAUSES_S,
                seed=number,
                workers=workers,
            )
            place = folder / f"{'clocks' if workers else 'clock'}-{number + 1}"
            measured = run(plan, CLOCKS_PAUSES_S, place, environment)
            late_ms.append(lateness_ms(measured))
            for pause in measured.pauses:
                error = outside_s(measured, pause, OperationKind.READ)
                outside[name, pause.wanted_s].append((error, late_ms[-1]))
            if workers:
                judgement = measured.result.judgement
                findings.append(len(judgement.findings) if judgement else 0)
                widths_ms.append(measured.history.clocks_apart_us / 1000)
    known = f"clocks known to within {', '.join(f'{width:.1f}' for width in widths_ms)} ms"
    rows = [
        Row(
            name=f"{name}, node stopped for {pause_s:g} s: truth outside of the stated outage",
            measured=1000 * max(error for error, _ in errors),
            at_most=1000 * SLACK_S,
            unit="ms",
            note=f"each, and how late an idle thread was: "
            f"{', '.join(f'{1000 * error:.0f} ({late:.0f})' for error, late in errors)}; {known}",
        )
        for (name, pause_s), errors in sorted(outside.items(), reverse=True)
    ]
    return [*rows, Row(name=f"{CLOCKS}: findings", measured=sum(findings), at_most=0, note=known)]


def _error_row(name: str, errors_s: Sequence[float], at_least_s: float, at_most_s: float) -> Row:
    each = ", ".join(f"{1000 * error:+.1f}" for error in errors_s)
    return Row(
        name=name,
        measured=1000 * worst(errors_s),
        at_least=1000 * at_least_s,
        at_most=1000 * at_most_s,
        unit="ms",
        note=f"worst of {each}",
    )


PARTS = {"outages": outages, "profiles": profiles, "latencies": latencies, "clocks": two_clocks}


if __name__ == "__main__":
    as_command(main)
