"""`list`: the scenarios, with what they show."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace

from harness.cli.choice import of_reports
from harness.errors import UsageError
from harness.report.listing import show_list
from harness.running import selection
from harness.running.given_files import sorted_out
from harness.running.reports import short_names


def carry_out(options: argparse.Namespace) -> int:
    given = sorted_out(options.files, scenarios=[*options.scenario, *of_reports(options)])
    if given.deployments:
        raise UsageError(f"list: expected scenarios, found the deployment {given.deployments[0]}")
    chosen = selection.choose(given.choice(suite=options.suite))
    named = [replace(one.scenario, file=selection.as_typed(one.scenario.file)) for one in chosen]
    show_list([(one, short_names(one)) for one in named], sys.stdout)
    return 0
