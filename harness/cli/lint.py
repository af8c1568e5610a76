"""`lint`: configuration files against rules about failover."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from harness import lint
from harness.errors import ExitStatus, UsageError
from harness.lint import subjects
from harness.output import note, say
from harness.report import terminal
from harness.running.given_files import Given
from harness.running.selection import files_named
from harness.running.vocabulary import shipped
from harness.safe_files import make_folder, write_file
from harness.scenario import first_key
from harness.version import kit_version


def carry_out(options: argparse.Namespace) -> int:
    if options.prove and options.format != "text":
        raise UsageError("lint: --prove prints the reports of runs: expected --format text")
    given = lint.read([path for word in options.files for path in files_named(word)], shipped())
    findings = lint.check(given)
    if options.format == "sarif":
        sys.stdout.write(lint.sarif(findings, version=kit_version()))
    elif options.format == "junit":
        sys.stdout.write(lint.junit(findings, given))
    else:
        say("\n".join(lint.text(findings, given)))
    if options.prove:
        _prove(findings, given, options)
    return ExitStatus.FAILED if findings else ExitStatus.PASSED


OWN_DEPLOYMENT = "lint-deployment.yaml"
"""What `--prove` makes of the files that were given, in the folder for results."""


def _prove(findings: Sequence[lint.Finding], given: subjects.Given, options: argparse.Namespace) -> None:
    """Run the scenarios that show what was found. A finding stays a finding, whatever they end with."""
    from harness.run import RunRequest, run  # noqa: PLC0415 - most of a second, for nothing where nobody proves

    for proof, file in lint.proofs(findings, given):
        own = file or (_written(given, Path(options.out)) if proof.own_files else "")
        say(f"\nproof: {proof.command(own)}")
        try:
            choice = _chosen(proof, own).choice(suite="all", settings=proof.settings)
            asked = RunRequest(choice=choice, name="selected", backend=options.backend, out=Path(options.out))
            terminal.show(run(asked, terminal.display(sys.stdout), warn=note), sys.stdout)
        except UsageError as problem:  # the other proofs may run
            note(f"cannot be run: {problem}")


def _chosen(proof: lint.Proof, own: str) -> Given:
    """A scenario of the user's own is run as it is."""
    if own and first_key(Path(own)) == "scenario":
        return Given(scenarios=(own,))
    return Given(scenarios=(proof.scenario,), deployments=(own,) if own else ())


def _written(given: subjects.Given, out: Path) -> str:
    path = out / OWN_DEPLOYMENT
    make_folder(out, exist_ok=True)
    write_file(path, lint.deployment_of(given).encode())
    return str(path)
