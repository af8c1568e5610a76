"""What the stages hand to the report: progress while a scenario runs, its result afterwards.

Every result of a run is made here, from its plan and, once there is one, from its history and judgement:
so a run that was skipped, one that failed and one that was judged say the same about themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, Self

import msgspec

from harness.errors import ExitStatus
from harness.model.directives import LeftOut
from harness.model.judgement import Judgement
from harness.model.plan import Plan, RunKey, labelled, told_apart
from harness.model.records import Opening
from harness.model.words import Shows, Verdict

NOT_KNOWN = "?"
"""What a result says of a run whose plan cannot be read."""


WAITING = "waiting for its turn"
"""The phase of a run whose nodes are ready, until it may send traffic to them."""
TAKING_DOWN = "taking down"
"""The phase from the end of the audit on: what is still done may be done beside another run."""
IN_TURN = "in-turn"
"""At the end of the command of a run: it waits for its turn."""
ITS_TURN = b"go\n"
"""Written to the standard input of a run that may begin with its traffic."""


class Progress(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One line of JSON on the standard output of a run, about twice a second."""

    scenario: str
    """The run's label: unlike the scenario's name, it is different for every run of a suite."""
    phase: str
    """`starting`, WAITING, one of `Phase`, TAKING_DOWN, `judging`."""
    roles: dict[str, str] = {}
    """Node -> primary, replica, sentinel, down, paused."""
    rate_per_s: float = 0.0
    """Operations acked in the last second."""
    errors_per_s: float = 0.0
    """Operations rejected or unknown in the last second."""
    at_risk: int = 0
    """Sessions that are logged in now."""
    left_s: float | None = None
    note: str = ""
    """Something that happened just now, one clause: `fault 1 took effect: redis-1 is gone`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """The story of one session: at most 12 lines of text under one finding."""

    finding: str
    session: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioResult:
    """One scenario's outcome, complete enough to report without its history."""

    name: str
    file: str
    shows: Shows
    topology: str
    deployment: str = ""
    """The deployment's name."""
    deployment_file: str = ""
    """Empty: the deployment is the scenario's own."""
    backend: str
    engine: str
    """Name and version as the nodes report it."""
    engine_asked: str = ""
    """The name under which an engine was asked for; empty: none was."""
    client: str
    timing: str
    seed: int
    variant: str = ""
    """As in the plan: what tells it from the other runs of the same scenario."""
    varied: tuple[str, ...] = ()
    """As in the plan: its values of the settings that take several in the suite."""
    nodes: int = 0
    """Redis and Sentinel processes of the topology; 0: a run from before they were counted."""
    faults: tuple[str, ...] | None = None
    """The kinds of its faults, each once, in the order of the scenario; None: a run from before they were
    kept."""
    repeated: bool = False
    """As in the plan: the suite has this run with other seeds, too."""
    advice: str
    about: str
    verdict: Verdict
    reasons: tuple[str, ...]
    run_dir: str
    """Relative to the suite's folder; empty when nothing was run."""
    wall_s: float = 0.0
    """How long it kept its place among those side by side: without what was done beside others. Of both runs
    together, where it was run twice."""
    left_out: tuple[LeftOut, ...] = ()
    """Directives that the deployment asked for and that no node was given."""
    judgement: Judgement | None = None
    """None: skipped, or the environment failed."""
    why: str = ""
    """One clause for the closing table."""
    stories: tuple[Story, ...] = ()
    times_run: int = 1
    changed: tuple[str, ...] = ()
    """As in the plan: what the command that repeats it must say besides the file and the seed."""
    came_up: bool = True
    """False: a deployment of somebody's own did not, so that there is no history, and the verdict is FAIL."""
    without_effect: tuple[int, ...] = ()
    """The faults whose effect was not observed, by number."""
    start_that_never_came: str = ""
    """A fault waited for its start in vain, in a sentence: the same plan would wait for the same."""
    log_tail: str = ""
    """Verdict ERROR: the last lines of the attempt's own log."""

    @classmethod
    def of(cls, plan: Plan, verdict: Verdict, *reasons: str, run_dir: str = "") -> Self:
        """The result of a run that has no judgement: it was not run, or it left nothing to judge."""
        scenario = plan.scenario
        deployment, client = scenario.deployment, scenario.deployment.client
        return cls(
            name=scenario.name,
            file=scenario.file,
            shows=scenario.shows,
            topology=deployment.topology.kind,
            deployment=deployment.name,
            deployment_file=deployment.file,
            backend=plan.backend,
            engine="",
            engine_asked=deployment.engine or "",
            client=f"{client.named} {client.discovery}",
            timing=deployment.timing,
            seed=plan.seed,
            variant=plan.variant,
            varied=plan.varied,
            nodes=len(plan.nodes),
            faults=tuple(dict.fromkeys(step.kind for step in scenario.faults)),
            repeated=plan.repeated,
            changed=plan.changed,
            left_out=deployment.topology.everything_left_out,
            advice=scenario.advice,
            about=scenario.about,
            verdict=verdict,
            reasons=reasons,
            why=reasons[0] if verdict is Verdict.SKIPPED and reasons else "",
            run_dir=run_dir,
        )

    @classmethod
    def skipped(cls, plan: Plan) -> Self:
        """The result of a run that does not fit this machine or deployment."""
        return cls.of(plan, Verdict.SKIPPED, plan.skip or "not run")

    @classmethod
    def never_up(cls, plan: Plan, reason: str) -> Self:
        """The result of a run whose deployment, made of somebody's own files, did not come up."""
        return replace(cls.of(plan, Verdict.FAIL, reason), came_up=False)

    @classmethod
    def judged(
        cls, plan: Plan, opening: Opening, judgement: Judgement, *, why: str, stories: tuple[Story, ...]
    ) -> Self:
        """The result of a run with a history: what it ran on is what the history says."""
        return replace(
            cls.of(plan, judgement.verdict, *judgement.reasons),
            backend=opening.backend,
            engine=opening.engine,
            client=opening.client,
            timing=opening.timing,
            seed=opening.seed,
            judgement=judgement,
            why=why,
            stories=stories,
        )

    @classmethod
    def of_folder(cls, name: str) -> Self:
        """A run of which nothing is known but its folder's name."""
        return cls(
            name=name,
            file="",
            shows=Shows.PROMISE,
            topology=NOT_KNOWN,
            backend=NOT_KNOWN,
            engine="",
            client="",
            timing="",
            seed=0,
            advice="",
            about="",
            verdict=Verdict.INCONCLUSIVE,
            reasons=(),
            run_dir=name,
        )

    @property
    def key(self) -> RunKey:
        return RunKey(
            scenario=self.file,
            deployment=self.deployment_file,
            engine=self.engine_asked,
            seed=self.seed,
            varied=self.varied,
        )

    @property
    def label(self) -> str:
        """Its name among the results of its suite."""
        return labelled(self.name, told_apart(self.variant, self.seed if self.repeated else None))

    @property
    def cell_label(self) -> str:
        """The same for every run that differs in its seed alone."""
        return labelled(self.name, self.variant)


class Display(Protocol):
    """Whatever shows progress; `harness.report.terminal` has one for terminals, one for logs."""

    def begin(self, header: str, names: Sequence[str]) -> None: ...
    def progress(self, progress: Progress) -> None: ...
    def line(self, text: str) -> None: ...
    def finished(self, result: ScenarioResult) -> None: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteResult:
    suite: str
    run: str
    directory: str
    started_wall_us: int
    wall_s: float
    backend: str
    engine: str
    timing: str
    jobs: int
    seed: int
    kit: str = ""
    """The kit's version; empty: a suite from before it was kept."""
    commands: tuple[str, ...] = ()
    """What made it, as it was typed and without secrets; several: of the parts that were merged. None: no
    command made it, or it is from before they were kept."""
    matrix: str = ""
    """What its matrix runs in every combination, as a fingerprint; empty: no matrix, or none was kept."""
    shards: tuple[tuple[int, int], ...] = ()
    """(2, 3): it is the second third of the runs; several: of shards that were merged, while some are
    missing. None: it has all of its runs."""
    verdict: Verdict
    exit_code: int
    results: tuple[ScenarioResult, ...] = field(default_factory=tuple)
    interrupted: bool = False
    incomplete: str = ""
    """Why scenarios may be missing that nobody can name any more; empty: the list is whole."""

    def with_results(self, results: Sequence[ScenarioResult]) -> Self:
        """The same suite with these results, and with what they come to."""
        verdict, exit_code = overall(results, interrupted=self.interrupted, incomplete=self.incomplete)
        return replace(self, results=tuple(results), verdict=verdict, exit_code=exit_code)

    @property
    def comes_to(self) -> str:
        """What the exit status says, and how many did not run: those have not passed."""
        skipped = sum(result.verdict is Verdict.SKIPPED for result in self.results)
        meaning = ExitStatus(self.exit_code).meaning
        return f"{meaning}, {skipped} of {len(self.results)} skipped" if skipped else meaning


def overall(
    results: Sequence[ScenarioResult], *, interrupted: bool, incomplete: str = ""
) -> tuple[Verdict, ExitStatus]:
    """What the results of a suite come to. Nothing but skipped runs is no success: nothing could run."""
    verdicts = {result.verdict for result in results}
    if interrupted:
        return Verdict.INCONCLUSIVE, ExitStatus.INTERRUPTED
    if Verdict.FAIL in verdicts:
        return Verdict.FAIL, ExitStatus.FAILED
    if Verdict.ERROR in verdicts:
        return Verdict.ERROR, ExitStatus.ENVIRONMENT
    if Verdict.INCONCLUSIVE in verdicts or incomplete:
        return Verdict.INCONCLUSIVE, ExitStatus.INCONCLUSIVE
    if Verdict.PASS in verdicts:
        return Verdict.PASS, ExitStatus.PASSED
    return Verdict.ERROR, ExitStatus.ENVIRONMENT
