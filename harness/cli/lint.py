"""`lint`: configuration files against rules about failover."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from harness import lint
from harness.errors import ExitStatus, UsageError
from harness.output import note, say
from harness.report import terminal
from harness.running.given_files import Given
from harness.running.vocabulary import shipped
from harness.version import kit_version


def carry_out(options: argparse.Namespace) -> int:
    if options.prove and options.format != "text":
        raise UsageError("lint: --prove prints the reports of runs: expected --format text")
    given = lint.read([Path(file) for file in options.files], shipped())
    findings = lint.check(given)
    if options.format == "sarif":
        sys.stdout.write(lint.sarif(findings, version=kit_version()))
    elif options.format == "junit":
        sys.stdout.write(lint.junit(findings, given))
    else:
        say("\n".join(lint.text(findings, given)))
    if options.prove:
        _prove(lint.proofs(findings), options)
    return ExitStatus.FAILED if findings else ExitStatus.PASSED


def _prove(proofs: Sequence[lint.Proof], options: argparse.Namespace) -> None:
    """Run the scenarios that show what was found. A finding stays a finding, whatever they end with."""
    from harness.run import RunRequest, run  # noqa: PLC0415 - most of a second, for nothing where nobody proves

    for proof in proofs:
        say(f"\nproof: {proof.command}")
        choice = Given(scenarios=(proof.scenario,)).choice(suite="all", settings=proof.settings)
        asked = RunRequest(choice=choice, name="selected", backend=options.backend, out=Path(options.out))
        terminal.show(run(asked, terminal.display(sys.stdout), warn=note), sys.stdout)
