"""Keeps book of the jobs: what is left to do, what is to be repeated, and the rows at the end.

The bounds: each bug found, rightly named and rightly explained in as many runs as were asked for, with
no finding about anybody else; nothing found where nothing happened. From "none in n" follows an upper
end of the share of false alarms: what 95 of 100 such tests would have shown up.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict, deque
from collections.abc import Sequence

from lab.rows import Row
from lab.selftest.bugs import BUGS
from lab.selftest.clean import Clean
from lab.selftest.seeded import Seeded
from lab.selftest.worker import Done, Job, Told

TRIES_PER_RUN = 5
"""Of a bug that finds no chance; then its row says so, and is not met."""
LINES = 5
"""Of each kind, about a run that is not as it should be."""
SAY_EVERY_OPERATIONS = 1_000_000
CONFIDENCE = 0.95


class Tally:
    def __init__(self, jobs: Sequence[Job], *, runs: int) -> None:
        self._left = deque(jobs)
        self._runs = runs
        self._wanted: defaultdict[tuple[str, str], int] = defaultdict(int)
        for job in jobs:
            self._wanted[job.kind, job.name] += 1
        self._next_seed = {(job.kind, job.name): job.seed + 1 for job in jobs}
        self.bugs: defaultdict[str, list[Seeded]] = defaultdict(list)
        self.clean: defaultdict[str, list[Clean]] = defaultdict(list)
        self.repeated: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.models: list[Told] = []
        self._began_s = time.monotonic()
        self._said = 0

    # ------------------------------------------------------------ jobs

    def next_job(self) -> Job | None:
        return self._left.popleft() if self._left else None

    def note(self, done: Done) -> None:
        if done.bug is not None:
            self._note_bug(done.job, done.bug)
        elif done.clean is not None:
            self._note_clean(done.job, done.clean)
        elif done.model is not None:
            self._note_model(done.model)

    def _note_bug(self, job: Job, shown: Seeded) -> None:
        if not shown.bit and not shown.false_alarms:
            self._repeat(job)
            return
        self.bugs[job.name].append(shown)
        if not shown.as_it_should_be:
            self._say(f"NOT AS IT SHOULD BE: {job.name}, seed {job.seed}")
            alarms = [f"false alarm: {one}" for one in shown.false_alarms]
            for line in (*shown.did[:LINES], *shown.called[:LINES], *alarms[:LINES]):
                print(f"    {line}", flush=True)
        if len(self.bugs[job.name]) == self._wanted["bug", job.name]:
            self._say(f"{job.name}: {self._wanted['bug', job.name]} runs")

    def _note_clean(self, job: Job, shown: Clean) -> None:
        if not shown.judged:
            self._repeat(job, f": {'; '.join(shown.reasons)}")
            return
        self.clean[job.name].append(shown)
        for one in shown.findings:
            self._say(f"FALSE ALARM: {job.name}, seed {job.seed}: {one}")
        if len(self.clean[job.name]) == self._wanted[job.kind, job.name]:
            what = f"nothing done to {job.name}" if job.kind == "clean" else job.name
            self._say(f"{what}: {self._wanted[job.kind, job.name]} runs")

    def _note_model(self, told: Told) -> None:
        self.models.append(told)
        for one in told.findings[:5]:
            self._say(f"FALSE ALARM: model, seed {told.seed}: {one}")
        operations = sum(one.operations for one in self.models)
        if operations // SAY_EVERY_OPERATIONS > self._said:
            self._said = operations // SAY_EVERY_OPERATIONS
            self._say(f"model store: {operations:,} operations judged")

    def _repeat(self, job: Job, why: str = "") -> None:
        key = job.kind, job.name
        self.repeated[key] += 1
        if self.repeated[key] > TRIES_PER_RUN * self._wanted[key]:
            return
        seed = self._next_seed[key]
        self._next_seed[key] += 1
        self._left.append(Job(job.kind, job.name, seed))
        what = "no chance to bite" if job.kind == "bug" else "inconclusive"
        self._say(f"{job.name}, seed {job.seed}: {what}{why}; repeated with seed {seed}")

    def _say(self, text: str) -> None:
        seconds = int(time.monotonic() - self._began_s)
        print(f"{seconds // 60:3}:{seconds % 60:02}  {text}", flush=True)

    # ------------------------------------------------------------ results

    def print_bugs(self) -> None:
        """The table of the bugs."""
        lines = [("bug", "runs", "found", "named", "cause right", "cause", "others accused", "repeated")]
        for bug in BUGS:
            shown = self.bugs[bug.name]
            if not self._wanted["bug", bug.name]:
                continue
            lines.append(
                (
                    bug.title,
                    str(len(shown)),
                    str(sum(one.found for one in shown)),
                    str(sum(one.named for one in shown)),
                    str(sum(one.caused for one in shown)),
                    ", ".join(sorted({one.cause for one in shown if one.cause})),
                    str(sum(bool(one.false_alarms) for one in shown)),
                    str(self.repeated["bug", bug.name]),
                )
            )
        if len(lines) > 1:
            widths = [max(len(line[n]) for line in lines) for n in range(len(lines[0]))]
            print()
            for line in lines:
                print(
                    "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip()
                )

    def rows(self) -> list[Row]:
        rows = [self._bug_row(bug.name, bug.title) for bug in BUGS if self._wanted["bug", bug.name]]
        rows += [
            Row(
                name=f"clean runs, {kind}",
                measured=sum(not one.findings for one in self.clean[kind]),
                at_least=wanted,
                unit="runs without a finding",
                note=f"{sum(one.operations for one in self.clean[kind]):,} operations, "
                f"{self.repeated['clean', kind]} inconclusive runs repeated",
            )
            for (job, kind), wanted in self._wanted.items()
            if job == "clean"
        ]
        rows += [
            Row(
                name=f"runs through a fault, {name}",
                measured=sum(not one.findings for one in self.clean[name]),
                at_least=wanted,
                unit="runs with nothing found but what it costs",
                note=f"{sum(one.operations for one in self.clean[name]):,} operations, "
                f"{sum(one.costs for one in self.clean[name])} findings that the fault accounts for, "
                f"{self.repeated['fault', name]} inconclusive runs repeated",
            )
            for (job, name), wanted in self._wanted.items()
            if job == "fault"
        ]
        return rows + self._model_rows() + self._bounds()

    def _bug_row(self, name: str, title: str) -> Row:
        shown = self.bugs[name]
        causes = ", ".join(sorted({one.cause for one in shown if one.cause}))
        return Row(
            name=f"bug: {title}",
            measured=sum(one.as_it_should_be for one in shown),
            at_least=self._runs,
            unit="runs",
            note=f"found, rightly named, cause right ({causes}), nobody else accused; of {len(shown)} runs, "
            f"{self.repeated['bug', name]} more had no chance to bite",
        )

    def _model_rows(self) -> list[Row]:
        if not self._wanted["model", ""]:
            return []
        wanted = self._wanted["model", ""]
        return [
            Row(
                name="model store, histories judged",
                measured=len(self.models),
                at_least=wanted,
                note=f"{sum(one.operations for one in self.models):,} operations, "
                f"{sum(one.undecided for one in self.models)} counts left undecided",
            ),
            Row(
                name="model store, findings",
                measured=sum(len(one.findings) for one in self.models),
                at_most=0,
            ),
        ]

    def _bounds(self) -> list[Row]:
        """How many false alarms there may be all the same."""
        clean = [one for shown in self.clean.values() for one in shown]
        bugs = [one for shown in self.bugs.values() for one in shown]
        accused = sum(bool(one.findings) for one in clean) + sum(bool(one.false_alarms) for one in bugs)
        right: list[Clean | Told] = [*clean, *self.models]
        operations = sum(one.operations for one in right)
        findings = sum(len(one.findings) for one in right)
        rows = []
        if clean or bugs:
            rows.append(_bound("false alarms per real run", accused, len(clean) + len(bugs), "runs"))
        if operations:
            rows.append(_bound("false alarms per clean operation", findings, operations, "operations"))
        return rows


def _bound(name: str, seen: int, of: int, what: str) -> Row:
    return Row(
        name=f"{name}, 95 % upper bound",
        measured=upper_bound(seen, of),
        note=f"{seen} in {of:,} {what} (Clopper-Pearson, one-sided)",
    )


def upper_bound(seen: int, of: int, confidence: float = CONFIDENCE) -> float:
    """The largest share that would show `seen` or fewer in `of` with a chance of 1 - confidence."""
    if seen >= of:
        return 1.0
    if seen == 0:
        return -math.expm1(math.log(1 - confidence) / of)
    low, high = seen / of, 1.0
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if _at_most(seen, of, middle) > 1 - confidence else (low, middle)
    return high


def _at_most(seen: int, of: int, share: float) -> float:
    """The chance of `seen` or fewer."""
    yes, no = math.log(share), math.log1p(-share)
    return sum(
        math.exp(math.lgamma(of + 1) - math.lgamma(n + 1) - math.lgamma(of - n + 1) + n * yes + (of - n) * no)
        for n in range(seen + 1)
    )
