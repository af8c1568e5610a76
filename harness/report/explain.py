"""One result in plain text: what a red line must say in a CI log that is all somebody has.

One sentence, measured against expected, the causes' shares, the story of one session, the setting
that governs it, how late the machine was, the commands that repeat it and that show more.
"""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from harness.model.judgement import (
    ExpectationResult,
    FailoverStep,
    Finding,
    Judgement,
    by_name,
    lets_in,
    percent,
)
from harness.model.results import ScenarioResult
from harness.model.words import FindingSide, Verdict
from harness.report.words import (
    after,
    first_line,
    longest_outage,
    loss,
    machine,
    survival_is_known,
    verdict_word,
    without_survivor,
)
from harness.visible import one_line

KIT = "failover-kit"

_OF_MAKE = re.compile("[^A-Za-z0-9_@%+=:,./-]")
"""What a shell takes from within quotes as it stands, and make, or its recipe, might still carry out."""

_MARK = {True: "met", False: "NOT MET", None: "undecided"}


def headline(result: ScenarioResult) -> str:
    """`BROKEN  primary killed, replica promoted: outage(write) 7.2 s, expected < 5 s`."""
    return one_line(f"{verdict_word(result)}: {result.label}: {first_line(result) or 'as expected'}")


def explain(result: ScenarioResult, directory: str) -> list[str]:
    """Everything a reader needs to believe, doubt and repeat a result; `directory` is the suite's."""
    lines = [headline(result)]
    for reason in result.reasons[:1]:
        lines += [f"    {quoted}" for quoted in reason.splitlines()[1:] if quoted.strip()]
    for reason in result.reasons[1:6]:
        lines += [f"  {line}" for line in reason.splitlines()]
    lines += [f"  left out of the deployment: {one}" for one in result.left_out]
    if result.judgement is not None:
        lines += _measured(result.judgement)
        lines += [f"  {said}" for said in (loss(result.judgement.metrics),) if said]
        lines.append(f"  longest outage: {longest_outage(result.judgement)}")
        if survival_is_known(result.judgement.metrics):
            lines.append(f"  longest time without a surviving write: {without_survivor(result.judgement)}")
        lines += _causes(result.judgement.findings)
        lines += failovers(result.judgement.metrics.failover_steps)
    for story in result.stories[:1]:
        lines.append(f"  the story of session {story.session[:8]}… ({story.finding}):")
        lines += [f"    {line}" for line in story.lines]
    if result.advice:
        lines.append(f"  setting to change: {result.advice}")
    if result.judgement is not None:
        lines.append(f"  this machine: {machine(result.judgement.metrics)}")
    if result.log_tail:
        lines.append("  last lines of run.log:")
        lines += [f"    {line}" for line in result.log_tail.splitlines()]
    return [one_line(line) for line in lines + _commands(result, directory)]


def _measured(judgement: Judgement) -> list[str]:
    rows = sorted(judgement.expectations, key=lambda one: (one.met is not False, one.met is not None))
    return [f"  {mark(one):<9} {_expectation(one)}" for one in rows]


def mark(one: ExpectationResult) -> str:
    return "aside" if one.aside else _MARK[one.met]


def _expectation(one: ExpectationResult) -> str:
    why = f" ({one.why})" if one.why else ""
    return f"expected {one.text}, measured {one.measured}{why}"


def causes(findings: tuple[Finding, ...]) -> list[tuple[str, FindingSide, int, str]]:
    """Per finding name: its side, how many, and the share of each cause."""
    rows = []
    for name, members in by_name(findings):
        side = FindingSide.OPEN if lets_in(members) else FindingSide.CLOSED
        counted = Counter(one.cause for one in members).most_common()
        shares = ", ".join(f"{percent(n, len(members))} {cause}" for cause, n in counted)
        rows.append((name, side, len(members), shares))
    return rows


def _causes(findings: tuple[Finding, ...]) -> list[str]:
    return [
        f"  {total} × {name}{' [security: somebody gets in]' if side is FindingSide.OPEN else ''}: {shares}"
        for name, side, total, shares in causes(findings)
    ]


_TOLD_STEPS = ("agreed", "elected", "promoted", "topology published")


def failovers(steps: tuple[FailoverStep, ...]) -> list[str]:
    """A line per failover: when its main steps came after the fault, or why they did not."""
    lists: dict[str, list[str]] = {}
    for one in steps:
        if one.step in _TOLD_STEPS:
            lists.setdefault(one.which, []).append(_step(one))
    return [f"  failover {which}: {' · '.join(told)}" for which, told in lists.items()]


def _step(one: FailoverStep) -> str:
    when = "–" if one.t_s is None else after(one.t_s)
    return f"{one.step} {when}{f' ({one.reason})' if one.reason else ''}"


def _commands(result: ScenarioResult, directory: str) -> list[str]:
    lines = []
    if result.file:  # else the folder is damaged, and nobody knows what was run
        lines = [
            f"  repeat it: {repeat_command(result)}",
            "             (the plan repeats exactly; the timing of kernel and nodes does not)",
        ]
    if result.run_dir:
        folder = shlex.quote(str(Path(directory) / result.run_dir))
        judged = result.judgement is not None
        lines.append(f"  see more:  {folder}{'/index.html' if judged else ' (run.log, nodes/)'}")
        if result.stories:
            session = shlex.quote(result.stories[0].session[:12])
            by_make = _is_shipped(result) and not _OF_MAKE.search(folder + session)
            said = f"make why RUN={folder} SESSION={session}" if by_make else f"{KIT} why {folder} {session}"
            lines.append(f"             {said}")
    return lines


def repeat_command(result: ScenarioResult) -> str:
    """By make for the shipped scenarios, seen from the project's folder; else by the console command."""
    file = shlex.quote(result.file)
    variables = _as_variables(result.changed)
    if _is_shipped(result) and variables is not None and not _OF_MAKE.search(result.file):
        return f"make chaos-test SCENARIO={file} SEED={result.seed} BACKEND={result.backend}{variables}"
    changed = "".join(f" {shlex.quote(option)}" for option in result.changed)
    return f"{KIT} run --scenario {file} --seed {result.seed} --backend {result.backend}{changed}"


_VARIABLES = {"--engine": "ENGINE", "--deployment": "DEPLOYMENT", "--set": "SET"}


def _as_variables(changed: Sequence[str]) -> str | None:
    """The options as variables of make; None where one of them cannot be said so."""
    if len(changed) % 2:  # a saved run may say anything
        return None
    given: dict[str, list[str]] = {}
    for option, value in zip(changed[::2], changed[1::2], strict=True):
        if option not in _VARIABLES or _OF_MAKE.search(value):
            return None
        given.setdefault(_VARIABLES[option], []).append(value)
    return "".join(f" {name}={shlex.quote(' '.join(values))}" for name, values in given.items())


def _is_shipped(result: ScenarioResult) -> bool:
    """Whether it was run in the project's own folder, where `make` is at hand."""
    return result.file.startswith("scenarios/")


def needs_explaining(result: ScenarioResult) -> bool:
    return result.verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.ERROR)
