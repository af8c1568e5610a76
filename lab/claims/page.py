"""`docs/claims.md`: every statement with its answer, and the runs that decide it. Pure."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence

from harness.model.cells import CONFIDENCE
from harness.report.cells import share_text
from lab.claims.outcome import Answer, Checked, Record, answer, extremes
from lab.claims.statements import Check, Statement

_HEAD = """# Claims about sessions on Redis, measured

`make claims` writes this page from results. Do not edit it by hand. The kit ran each statement several
times, in one of its scenarios. A statement is **false** if one run contradicts it, and **true** if every
run agrees with it. The shares of runs are intervals at {confidence}. The statements are shortened.
A command repeats each measurement; add `--deployment FILE` to measure your own deployment.

Measured on {date}, version {kit} of the kit. {counts}

| | statement | said by | answer |
| --- | --- | --- | --- |
"""


def page(statements: Sequence[Statement], record: Record) -> str:
    answers = [answer(one, record) for one in statements]
    count = Counter(answers)
    counted = ", ".join(f"{count[one]} {one}" for one in Answer if count[one])
    head = _HEAD.format(
        confidence=f"{CONFIDENCE:.0%}",
        date=record.measured_on,
        kit=record.kit,
        counts=f"{len(statements)} statements: {counted}.",
    )
    rows = [
        f"| [{n}](#{n}) | {one.claim} | {one.said_by} | {_answered(one, said)} |"
        for n, (one, said) in enumerate(zip(statements, answers, strict=True), 1)
    ]
    parts = [
        line
        for n, (one, said) in enumerate(zip(statements, answers, strict=True), 1)
        for line in _section(n, one, said, record)
    ]
    return head + "\n".join([*rows, "", *parts]).rstrip() + "\n"


def _answered(statement: Statement, said: Answer) -> str:
    if said is Answer.ONLY_IF and statement.only_if is not None:
        return f"**true only if** {statement.only_if.condition}"
    return f"**{said}**"


def _section(number: int, statement: Statement, said: Answer, record: Record) -> Iterator[str]:
    yield f"## {number}"
    yield ""
    yield f"{statement.claim} *{_answered(statement, said).replace('**', '')}.*"
    yield ""
    yield from _evidence("", statement.check, record)
    if statement.only_if is not None:
        yield from _evidence(f"If {statement.only_if.condition}: ", statement.only_if, record)
    yield ""


def _evidence(lead: str, check: Check, record: Record) -> Iterator[str]:
    found = record.of(check)
    if not found.decided:
        yield f"- {lead}no run of it was decided. `{_command(check)}`"
        return
    engines = ", ".join(dict.fromkeys(f"{run.engine} ({run.backend})" for run in found.decided))
    measured = "; ".join(_span(found, metric, bound) for metric, bound in check.expect.items())
    aside = " That does not decide it: the bound is about what is lost." if found.untried else ""
    when = f", {found.measured_on}" if found.measured_on else ""
    yield f"- {lead}{_held(found)} {measured}.{aside} On {engines}{when}. `{_command(check)}`"


def _held(found: Checked) -> str:
    held = found.held
    others = len(found.runs) - held.runs
    aside = f" ({others} more decided nothing)" if others else ""
    return f"held in {held.seen} of {held.runs} runs{aside}, so in {share_text(held)} of all such runs:"


def _span(found: Checked, metric: str, bound: str) -> str:
    low, high = extremes(found.decided, metric)
    span = low if low == high else f"{low} … {high}"
    return f"{metric} {span}, claimed {bound if bound[:1] in '<>' else f'= {bound}'}"


def _command(check: Check) -> str:
    return shlex.join(["failover-kit", "run", *check.options, "--repeat", "5"])
