"""Draws run until one breaks a promise, or time is up; then the schedule is made smaller.

Trap: what broke once need not break again. A smaller schedule counts as breaking if any of a few runs
does, so the smallest that is found is true, and may not be the smallest there is. How often it breaks is
counted in runs of their own: that it broke when it was chosen says little.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import yaml

from harness.errors import ExitStatus, UsageError
from harness.explore.draw import (
    NOTICED_S,
    Document,
    Space,
    always,
    draw,
    single_faults,
    single_settings,
    without_fault,
)
from harness.explore.promises import expectations
from harness.explore.shrink import groups, without
from harness.model.deployment import Deployment
from harness.model.results import ScenarioResult, SuiteResult
from harness.model.scenario import Vocabulary
from harness.model.words import Verdict
from harness.plan.timeline import Pace
from harness.presets import inventory_of
from harness.safe_files import make_folder, write_file

DRAWN, TRIED, SMALLEST = "drawn", "tried.yaml", "smallest.yaml"
"""Below the folder of an exploration."""
DRAWS_AT_MOST = 2000
"""In a row that nobody can run; beyond, nothing fits together here."""
TOGETHER = 3
"""Drawn schedules for each that sends traffic at a time: the next one starts its nodes while one recovers."""
TRIES = 3
"""Runs of a smaller schedule, of which one must break; and of the smallest, once it is there."""


_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
"""libyaml's where PyYAML was built with it: ten times as fast."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    kind: str
    """The topology's."""
    own_deployment: bool
    """Somebody's own: its settings stay. Otherwise settings are drawn as well."""
    shards: int
    noticed_s: float = 0.0
    """How long a primary of the deployment is silent until somebody takes it for dead; 0: nobody does."""
    expect: tuple[str, ...] = ()
    """`metric: bound`, besides what must hold in every exploration."""
    minutes: float
    seed: int
    vocabulary: Vocabulary

    @classmethod
    def on(cls, deployment: Deployment, **others: Any) -> Request:
        """`others`: what a deployment does not say."""
        inventory = inventory_of(deployment)
        pace = Pace(deployment.topology, inventory)
        return cls(
            kind=deployment.topology.kind,
            shards=inventory.shards,
            noticed_s=pace.suspicion_s if inventory.fails_over else 0.0,
            **others,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """A reason for which runs decided nothing."""

    reason: str
    runs: int
    example: Path
    """The folder of one of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What an exploration came to."""

    folder: Path
    runs: int
    undecided: int
    doubts: tuple[Doubt, ...] = ()
    """Why runs decided nothing; the most frequent reason first."""
    interrupted: bool = False
    broken: ScenarioResult | None = None
    """The run that broke a promise first; None: none did."""
    broken_in: Path | None = None
    """Its folder."""
    file: Path | None = None
    """The smallest scenario that still breaks it."""
    options: tuple[str, ...] = ()
    """Of `run`, for that file to mean the same: the deployment and settings that were given are not in it."""
    again: tuple[int, int] = (0, 0)
    """In how many of how many runs more that scenario broke it."""
    whole: bool = True
    """False: time was up before everything was left out that could be."""

    @property
    def status(self) -> ExitStatus:
        if self.broken is not None:
            return ExitStatus.FAILED
        if self.interrupted:
            return ExitStatus.INTERRUPTED
        return ExitStatus.INCONCLUSIVE if self.undecided == self.runs else ExitStatus.PASSED


class Ground(Protocol):
    """What schedules run on, as an exploration needs it."""

    @property
    def jobs(self) -> int: ...
    def why_not(self, file: Path) -> str | None:
        """Why nobody can run a scenario here; None: it can be run."""

    def run(self, files: Sequence[Path], *, repeat: int) -> SuiteResult: ...


def explore(request: Request, ground: Ground, folder: Path, tell: Callable[[str], None]) -> Found:
    """Draw and run until something breaks or `request.minutes` are over; files go into `folder`.

    Raises:
        UsageError: an expectation is wrong, or no schedule fits this topology.
        EnvironmentFailure: the backend cannot work here, or the results cannot be written.
    """
    return _Exploration(request, ground, folder, tell).go()


@dataclass(slots=True)
class _Exploration:
    request: Request
    ground: Ground
    folder: Path
    tell: Callable[[str], None]
    ends_s: float = field(init=False)
    runs: int = 0
    undecided: int = 0
    interrupted: bool = False
    suite: Path = Path()
    """The folder of the last runs."""
    doubts: dict[str, list[Path]] = field(default_factory=dict)
    """Reason -> the folders of the runs that decided nothing for it."""

    def __post_init__(self) -> None:
        self.ends_s = time.monotonic() + 60 * self.request.minutes

    def go(self) -> Found:
        make_folder(self.folder / DRAWN)
        documents = self._documents()
        while not self._over():
            batch = dict(next(documents) for _ in range(self._how_many()))
            broken = [one for one in self._run(list(batch), repeat=1) if one.verdict is Verdict.FAIL]
            if broken:
                return self._made_smaller(broken[0], batch[Path(broken[0].file).resolve()])
            if not self.interrupted:
                self._tell_progress()
        return self._found()

    def _how_many(self) -> int:
        """As many as the time that is left is enough for, as far as the runs until now tell."""
        jobs, left_s = self.ground.jobs, self.ends_s - time.monotonic()
        if not self.runs:
            return jobs
        spent_s = 60 * self.request.minutes - left_s
        return max(jobs, min(TOGETHER * jobs, int(left_s / spent_s * self.runs)))

    def _over(self) -> bool:
        return self.interrupted or time.monotonic() >= self.ends_s

    def _tell_progress(self) -> None:
        left_s = max(0.0, self.ends_s - time.monotonic())
        undecided = f", {self.undecided} of them undecided" if self.undecided else ""
        runs = f"{self.runs} run{'' if self.runs == 1 else 's'}{undecided}"
        self.tell(f"explore: {runs}, nothing broken; {left_s / 60:.1f} min left")

    def _documents(self) -> Iterator[tuple[Path, Document]]:
        """Scenarios that can be run here, each with the file that holds it."""
        space = self._space()
        dice, number, refused = random.Random(self.request.seed), 1, 0
        while True:
            document = draw(space, dice, f"draw {number} of seed {self.request.seed}")
            file = self._written(f"{number:04}.yaml", document)
            problem = self.ground.why_not(file)
            if problem is None:
                yield file, document
                number, refused = number + 1, 0
                continue
            refused += 1
            if refused > DRAWS_AT_MOST:
                raise UsageError(f"explore {self.request.kind}: no drawn schedule can be run here: {problem}")

    def _space(self) -> Space:
        """What fits this topology is tried once: each setting, and each fault with each of its targets."""
        space = Space(
            kind=self.request.kind,
            own_deployment=self.request.own_deployment,
            shards=self.request.shards,
            expect=expectations(self.request.expect, self.request.vocabulary.findings),
            vocabulary=self.request.vocabulary,
            noticed_s=max(NOTICED_S, self.request.noticed_s),
        )
        if self._tried(without_fault(space)) is not None:  # a single node has no replica that could differ
            findings = self.request.vocabulary.findings
            space = replace(space, expect=expectations(self.request.expect, findings, premises=False))
        if problem := self._tried(without_fault(space)):
            raise UsageError(f"explore {self.request.kind}: {self._as_it_was_given(problem)}")
        targets: dict[str, list[str]] = {}
        problem = "there is none"
        for kind, target, document in single_faults(space):
            if target not in targets.get(kind, ()):
                problem = self._tried(document)
                if problem is None:
                    targets.setdefault(kind, []).append(target)
        if not targets:
            raise UsageError(f"explore {self.request.kind}: no fault can be run here: {problem}")
        fitting: dict[str, bool] = {}
        space = replace(space, targets=targets)
        for path, document in single_settings(space):
            fitting[path] = fitting.get(path, True) and self._tried(document) is None
        settings = tuple(path for path, fits in fitting.items() if fits)
        return replace(space, settings=settings)

    def _tried(self, document: Document) -> str | None:
        """Why nobody can run it; None: it can be run."""
        return self.ground.why_not(self._written(TRIED, document))

    def _as_it_was_given(self, problem: str) -> str:
        """What is expected came with the command, and only then into a file."""
        return re.sub(rf"{re.escape(str(self._drawn(TRIED)))}:\d+: expect\.", "--expect ", problem)

    def _written(self, name: str, document: Document) -> Path:
        file = self._drawn(name)
        write_file(file, _text(document))
        return file

    def _drawn(self, name: str) -> Path:
        return (self.folder / DRAWN / name).resolve()

    def _run(self, files: Sequence[Path], *, repeat: int) -> Sequence[ScenarioResult]:
        suite = self.ground.run(files, repeat=repeat)
        self.interrupted = self.interrupted or suite.interrupted
        results = [one for one in suite.results if not (suite.interrupted and one.verdict is Verdict.SKIPPED)]
        self.runs += len(results)  # what Ctrl-C kept from its start is no run
        undecided = [one for one in results if one.verdict not in {Verdict.PASS, Verdict.FAIL}]
        self.undecided += len(undecided)
        for one in undecided:
            if one.reasons:
                self.doubts.setdefault(_in_general(one.reasons[0]), []).append(
                    Path(suite.directory, one.run_dir)
                )
        self.suite = Path(suite.directory)
        return results

    def _made_smaller(self, broken: ScenarioResult, document: Document) -> Found:
        self.tell(f"explore: {broken.name} broke a promise: {broken.why}; now the smallest that does")
        broken_in = self.suite / broken.run_dir
        smallest, whole = self._smallest(document)
        file = self.folder / SMALLEST
        write_file(file, _text({**smallest, "name": f"{document['name']}, made smaller"}))
        again = () if self._over() else self._run([file.resolve()], repeat=TRIES)
        return replace(
            self._found(),
            broken=broken,
            broken_in=broken_in,
            file=file,
            again=(sum(one.verdict is Verdict.FAIL for one in again), len(again)),
            whole=whole,
        )

    def _smallest(self, document: Document) -> tuple[Document, bool]:
        """What is left when nothing more can be left out, and whether the time was enough to try all of it.
        Every group of parts is tried once before one is tried again."""
        in_vain = 0
        while in_vain < TRIES:
            before, pending = document, list(groups(document, always(self.request.vocabulary)))
            while pending:
                if self._over():
                    return document, False
                batch, pending = pending[: self.ground.jobs], pending[self.ground.jobs :]
                breaking = self._first_that_breaks([without(document, group) for group in batch])
                if breaking is not None:
                    n, document = breaking
                    self.tell(f"explore: still broken with {_size(document)}")
                    pending = [*batch[n + 1 :], *pending]
            in_vain = in_vain + 1 if document is before else 0
        return document, True

    def _first_that_breaks(self, candidates: Sequence[Document | None]) -> tuple[int, Document] | None:
        """Run side by side. One that cannot be run breaks nothing."""
        written = {
            self._written(f"smaller-{self.runs:04}-{n}.yaml", one): (n, one)
            for n, one in enumerate(candidates)
            if one is not None
        }
        files = [file for file in written if self.ground.why_not(file) is None]
        results = self._run(files, repeat=1) if files else ()
        broken = [written[Path(one.file).resolve()] for one in results if one.verdict is Verdict.FAIL]
        return min(broken, key=lambda one: one[0], default=None)

    def _found(self) -> Found:
        return Found(
            folder=self.folder,
            runs=self.runs,
            undecided=self.undecided,
            doubts=tuple(
                Doubt(reason=reason, runs=len(folders), example=folders[0])
                for reason, folders in sorted(self.doubts.items(), key=lambda one: -len(one[1]))
            ),
            interrupted=self.interrupted,
        )


def _size(document: Document) -> str:
    """What a schedule still consists of, in a few words."""
    count = len(document["faults"])
    kinds = ", ".join(str(list(fault)[1]) for fault in document["faults"])
    return f"{count} fault{'s' if count > 1 else ''} ({kinds}), {len(document['workload']['mix'])} behaviours"


def _in_general(reason: str) -> str:
    """The same for every run with this reason: without what was last seen, and without the fault's number."""
    return re.sub(r"^fault \d+ ", "fault ", reason.partition("; last seen")[0])


def _text(document: Document) -> bytes:
    text: str = yaml.dump(document, Dumper=_DUMPER, sort_keys=False, width=100)
    return text.encode()
