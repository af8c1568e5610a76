"""Findings for people: a line with the place, then why it matters, what to do, what proves it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from harness.lint.rule import OWN_DEPLOYMENT, Finding, Rule, Severity
from harness.lint.subjects import Given

_WIDTH = 100


def text(findings: Sequence[Finding], given: Given) -> Iterator[str]:
    explained: set[str] = set()
    for one in findings:
        yield f"{one.place}: {one.rule.severity}: {one.said} [{one.rule.name}]"
        if one.rule.name not in explained:
            explained.add(one.rule.name)
            yield from _explained(one.rule)
    yield _counted(findings, given)


def _explained(rule: Rule) -> Iterator[str]:
    proof = rule.proof.command() if rule.proof else f"none: {rule.no_proof}"
    if rule.proof and rule.proof.own_files:
        proof += f", where {OWN_DEPLOYMENT} is a deployment of these files: --prove writes it"
    for word, said in (("why", rule.why), ("cure", rule.cure), ("proof", proof)):
        lead = f"    {word + ':':<7}"
        yield from textwrap.wrap(
            said,
            _WIDTH,
            initial_indent=lead,
            subsequent_indent=" " * len(lead),
            break_on_hyphens=False,
            break_long_words=False,
        )


def _counted(findings: Sequence[Finding], given: Given) -> str:
    files = f"{len(given.files)} file{'s' if len(given.files) != 1 else ''}"
    if not findings:
        return f"no findings in {files}"
    counts = ((level, sum(one.rule.severity is level for one in findings)) for level in Severity)
    levels = ", ".join(f"{count} {level}{'s' if count > 1 else ''}" for level, count in counts if count)
    return f"{len(findings)} finding{'s' if len(findings) > 1 else ''} in {files}: {levels}"
