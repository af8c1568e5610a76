"""Puts every rule to what was given."""

from __future__ import annotations

from collections.abc import Iterable

from harness.lint.own_deployment import is_a_deployment
from harness.lint.rule import Finding, Proof, Rule
from harness.lint.subjects import Given
from harness.lint.table import RULES

_GENERAL = "unreadable"
"""Leaves a line to a rule that says more about it."""


def check(given: Given, rules: Iterable[Rule] = RULES) -> tuple[Finding, ...]:
    """What is wrong, by file and line, each thing once."""
    found = {
        (rule.name, hit.place, hit.said): Finding(rule=rule, place=hit.place, said=hit.said)
        for rule in rules
        for hit in rule.look(given)
    }
    explained = {one.place for one in found.values() if one.rule.name != _GENERAL}
    kept = (one for one in found.values() if one.rule.name != _GENERAL or one.place not in explained)
    return tuple(sorted(kept, key=lambda one: (one.place, one.rule.name, one.said)))


def proofs(findings: Iterable[Finding], given: Given) -> tuple[tuple[Proof, str], ...]:
    """The scenarios that show what was found, each once, and the file that they run with; empty: none, or a
    deployment that is to be made of the files."""
    return tuple(
        dict.fromkeys(
            (proof, one.place.file if proof.own_files and is_a_deployment(given, one.place) else "")
            for one in findings
            if (proof := one.rule.proof) is not None
        )
    )
