"""Draws run until one breaks a promise, or time is up; then the schedule is made smaller.

Trap: what broke once need not break again. A smaller schedule counts as breaking if any of a few runs
does, so the smallest that is found is true, and may not be the smallest there is. How often it breaks is
counted in runs of their own: that it broke when it was chosen says little.
"""

from __future__ import annotations

import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.errors import ExitStatus, UsageError
from harness.explore.draw import Act, Document, Space, acts, always, draw
from harness.explore.fitting import Ground, Request, Trials, text_of
from harness.explore.shrink import groups, without
from harness.model.results import ScenarioResult
from harness.model.words import Verdict
from harness.safe_files import make_folder, write_file

DRAWN, SMALLEST = "drawn", "smallest.yaml"
"""Below the folder of an exploration."""
DRAWS_AT_MOST = 2000
"""In a row that nobody can run; beyond, nothing fits together here."""
TOGETHER = 3
"""Drawn schedules for each that sends traffic at a time: the next one starts its nodes while one recovers."""
TRIES = 3
"""Runs of a smaller schedule, of which one must break; and of the smallest, once it is there."""
IN_VAIN = 2
"""So many times without effect, and never with one: then a fault is drawn seldom."""


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


def explore(
    request: Request, space: Space, ground: Ground, folder: Path, tell: Callable[[str], None]
) -> Found:
    """Draw from `space` and run until something breaks or `request.minutes` are over; files go into `folder`.

    Raises:
        UsageError: no schedule fits this topology.
        EnvironmentFailure: the backend cannot work here, or the results cannot be written.
    """
    return _Exploration(request, space, ground, folder, tell).go()


@dataclass(slots=True)
class _Exploration:
    request: Request
    space: Space
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
    in_vain: Counter[Act] = field(default_factory=Counter)
    """How often a fault had no effect, of those that never had one."""
    effective: set[Act] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.ends_s = time.monotonic() + 60 * self.request.minutes

    def go(self) -> Found:
        make_folder(self.folder / DRAWN)
        documents = self._documents()
        while not self._over():
            batch = dict(next(documents) for _ in range(self._how_many()))
            results = self._run(list(batch), repeat=1)
            for one in results:
                self._note_effects(one, batch[Path(one.file).resolve()])
            broken = [one for one in results if one.verdict is Verdict.FAIL]
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
        dice, number, refused = random.Random(self.request.seed), 1, 0
        while True:
            document = draw(self.space, dice, f"draw {number} of seed {self.request.seed}", self._seldom())
            problem = Trials(self.ground, self.folder).why_not(document)
            if problem is None:
                yield self._written(f"{number:04}.yaml", document), document
                number, refused = number + 1, 0
                continue
            refused += 1
            if refused > DRAWS_AT_MOST:
                raise UsageError(f"explore {self.request.kind}: no drawn schedule can be run here: {problem}")

    def _seldom(self) -> set[Act]:
        return {act for act, times in self.in_vain.items() if times >= IN_VAIN}

    def _note_effects(self, result: ScenarioResult, document: Document) -> None:
        """Of a run that was judged. One effect is enough: whoever has none later has its reasons."""
        if result.judgement is None:
            return
        for number, act in enumerate(acts(document, self.request.vocabulary), start=1):
            if number not in result.without_effect:
                self.effective.add(act)
                del self.in_vain[act]
            elif act not in self.effective:
                self.in_vain[act] += 1

    def _written(self, name: str, document: Document) -> Path:
        file = (self.folder / DRAWN / name).resolve()
        write_file(file, text_of(document))
        return file

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
        write_file(file, text_of({**smallest, "name": f"{document['name']}, made smaller"}))
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
        trials = Trials(self.ground, self.folder)
        written = {
            self._written(f"smaller-{self.runs:04}-{n}.yaml", one): (n, one)
            for n, one in enumerate(candidates)
            if one is not None and trials.why_not(one) is None
        }
        results = self._run(list(written), repeat=1) if written else ()
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
