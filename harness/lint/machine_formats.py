"""Findings for machines: SARIF 2.1.0 for code scanning, JUnit for pipelines that know nothing else.

In JUnit every rule is a test case of every file that it looks at, so that a rule that found nothing shows as
passed. A finding's place in SARIF is a path relative to where the command ran, as scanners expect it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree as ET

from harness.lint.rule import Finding, Rule, Severity
from harness.lint.subjects import Given, Place
from harness.lint.table import RULES
from harness.visible import one_line, visible

_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "note"}


def sarif(findings: Sequence[Finding], *, version: str) -> str:
    numbers = {rule.name: number for number, rule in enumerate(RULES)}
    run = {
        "tool": {
            "driver": {
                "name": "failover-kit lint",
                "version": version,
                "rules": [_rule(one) for one in RULES],
            }
        },
        "columnKind": "unicodeCodePoints",
        "results": [_result(one, numbers) for one in findings],
    }
    return json.dumps({"version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False) + "\n"


def _rule(rule: Rule) -> Mapping[str, Any]:
    proof = f"Proof: {rule.proof.command()}" if rule.proof else f"No scenario proves it: {rule.no_proof}."
    return {
        "id": rule.name,
        "shortDescription": {"text": rule.wrong},
        "fullDescription": {"text": rule.why},
        "help": {"text": f"{rule.cure}\n{proof}"},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
    }


def _result(finding: Finding, numbers: Mapping[str, int]) -> Mapping[str, Any]:
    return {
        "ruleId": finding.rule.name,
        "ruleIndex": numbers[finding.rule.name],
        "level": _LEVELS[finding.rule.severity],
        "message": {"text": visible(f"{finding.said}. {finding.rule.why} {finding.rule.cure}")},
        "locations": [{"physicalLocation": _location(finding.place)}],
    }


def _location(place: Place) -> Mapping[str, Any]:
    return {
        "artifactLocation": {"uri": _uri(place.file)},
        "region": {"startLine": max(place.line, 1)},
    }


def _uri(file: str) -> str:
    path = Path(file)
    if path.is_absolute() and path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    return path.as_uri() if path.is_absolute() else quote(PurePath(path).as_posix())


def junit(findings: Sequence[Finding], given: Given) -> str:
    files = list(dict.fromkeys([*map(str, given.files), *(one.place.file for one in findings)]))
    failed = {(one.place.file, one.rule.name) for one in findings}
    root = ET.Element(
        "testsuite",
        name="failover-kit lint",
        tests=str(len(files) * len(RULES)),
        failures=str(len(failed)),
        errors="0",
        skipped="0",
        time="0.000",
    )
    for file in files:
        for rule in RULES:
            case = ET.SubElement(root, "testcase", classname=one_line(file), name=rule.name, time="0.000")
            mine = [one for one in findings if (one.place.file, one.rule.name) == (file, rule.name)]
            if mine:
                failure = ET.SubElement(case, "failure", message=visible(mine[0].said), type=rule.severity)
                lines = [f"{one.place}: {one.said}" for one in mine]
                failure.text = visible("\n".join([*lines, rule.why, rule.cure]))
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"
