"""Which scenarios and deployments the options of a command name."""

from __future__ import annotations

import argparse

from harness.errors import UsageError
from harness.model.matrix import Matrix
from harness.running.given_files import Given, choice_of_matrix, sorted_out
from harness.running.reports import scenarios_of
from harness.running.selection import Choice, Varied

DEFAULT_SUITE = "core"


def choice_of(options: argparse.Namespace) -> Choice:
    """
    Raises:
        UsageError: nothing matches, or a matrix and options that it replaces.
    """
    given = given_in(options)
    if matrix := given.matrix:
        _check_alone(options, matrix)
        return choice_of_matrix(matrix, options.repeat)
    return given.choice(
        suite=suite_of(options),
        settings=options.set,
        engines=options.engine,
        vary=[Varied(path=path, values=values) for path, values in options.vary],
        repeat=options.repeat or 1,
        images=options.image,
    )


_IN_A_MATRIX = {"set": "set", "engine": "engines", "vary": "vary", "suite": "scenarios"}
"""Option -> the key of a matrix file that says the same."""


def _check_alone(options: argparse.Namespace, matrix: Matrix) -> None:
    for option, key in _IN_A_MATRIX.items():
        if getattr(options, option):
            raise UsageError(
                f"--{option}: expected it as {key!r} in {matrix.file}, found it beside the matrix"
            )


def suite_of(options: argparse.Namespace) -> str:
    return options.suite or DEFAULT_SUITE


def given_in(options: argparse.Namespace) -> Given:
    return sorted_out(
        options.files,
        scenarios=[*options.scenario, *of_reports(options)],
        deployments=[*options.deployment, *options.compose],
    )


def of_reports(options: argparse.Namespace) -> list[str]:
    """The files of the scenarios that show the reports which were asked for."""
    return [str(path) for report in options.bug for path in scenarios_of(report)]
