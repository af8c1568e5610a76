"""From a saved run to its result: judged, told as stories, written beside the history.

`run` calls this at the end of every run and `judge RUN` calls it on any saved one, without Redis or
Docker: both read the same files, so judging again gives the same answer unless the kit changed.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from harness import history
from harness.checks.judge import judge
from harness.checks.story import stories
from harness.checks.verdict import why_clause
from harness.faults import FAULTS
from harness.history.files import without_collections
from harness.model.history import History
from harness.model.judgement import Finding, Judgement
from harness.model.results import ScenarioResult, Story
from harness.report.page import page
from harness.report.write import write_file

STORIES_SHOWN = 3
"""One story per finding name, for this many names; the page and `why` have the rest."""


def read_run(directory: Path, *, in_memory: bool = True) -> History:
    """A saved run; of an old one, whose plan does not say what its faults are, this kit's faults do.

    Raises:
        UsageError: the folder holds no run.
    """
    declared = {name: fault.declaration for name, fault in FAULTS.items()}
    return history.read(directory, in_memory=in_memory, faults=declared)


def judge_folder(directory: Path) -> ScenarioResult:
    """Judge the run in a scenario's folder, and (re)write its findings, metrics and page.

    Raises:
        UsageError: the folder holds no run.
        EnvironmentFailure: the results cannot be written.
    """
    with without_collections():
        return _judge(directory)


def _judge(directory: Path) -> ScenarioResult:
    past = read_run(directory, in_memory=False)
    judgement = judge(past)
    result = _result(past, judgement, directory)
    write_file(directory / "findings.json", _pretty(judgement.findings))
    write_file(directory / "metrics.json", _pretty(judgement.metrics))
    write_file(directory / "index.html", page(result, past).encode())
    return result


def _result(past: History, judgement: Judgement, directory: Path) -> ScenarioResult:
    scenario, opening = past.plan.scenario, past.opening
    return ScenarioResult(
        name=scenario.name,
        file=scenario.file,
        shows=scenario.shows,
        topology=scenario.deployment.topology.kind,
        backend=opening.backend,
        engine=opening.engine,
        client=opening.client,
        timing=opening.timing,
        seed=opening.seed,
        changed=past.plan.changed,
        advice=scenario.advice,
        about=scenario.about,
        verdict=judgement.verdict,
        reasons=judgement.reasons,
        run_dir=directory.name,
        judgement=judgement,
        why=why_clause(judgement),
        stories=_stories(past, judgement),
    )


def _stories(past: History, judgement: Judgement) -> tuple[Story, ...]:
    firsts: dict[str, Finding] = {}
    for finding in judgement.findings:
        if finding.session is not None:
            firsts.setdefault(finding.name, finding)
    shown = list(firsts.values())[:STORIES_SHOWN]
    return tuple(
        Story(finding=one.name, session=one.session or "", lines=tuple(lines))
        for one, lines in zip(shown, stories(past, shown), strict=True)
    )


def _pretty(value: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2)
