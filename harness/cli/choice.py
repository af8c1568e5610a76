"""Which scenarios and deployments the options of a command name."""

from __future__ import annotations

import argparse

from harness.running.given_files import Given, sorted_out
from harness.running.selection import Choice, Varied

DEFAULT_SUITE = "core"


def choice_of(options: argparse.Namespace) -> Choice:
    return given_in(options).choice(
        suite=suite_of(options),
        settings=options.set,
        engines=options.engine,
        vary=[Varied(path=path, values=values) for path, values in options.vary],
        repeat=options.repeat,
    )


def suite_of(options: argparse.Namespace) -> str:
    return options.suite or DEFAULT_SUITE


def given_in(options: argparse.Namespace) -> Given:
    return sorted_out(options.files, scenarios=options.scenario, deployments=options.deployment)
