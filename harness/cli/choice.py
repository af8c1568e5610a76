"""Which scenarios and deployments the options of a command name."""

from __future__ import annotations

import argparse

from harness.running.given_files import Given, sorted_out
from harness.running.selection import Choice


def choice_of(options: argparse.Namespace) -> Choice:
    return given_in(options).choice(suite=options.suite, settings=options.set, engines=options.engine)


def given_in(options: argparse.Namespace) -> Given:
    return sorted_out(options.files, scenarios=options.scenario, deployments=options.deployment)
