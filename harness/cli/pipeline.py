"""What a CI system gets besides the files: GitHub's annotations and the summary of its job.

GitLab and others read `junit.xml`, which every suite has.
"""

from __future__ import annotations

import os
from pathlib import Path

from harness import output
from harness.model.results import SuiteResult


def tell_pipeline(suite: SuiteResult) -> None:
    """Say it to GitHub Actions, in one of its jobs. A summary that cannot be written changes nothing."""
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return
    from harness.report.github import annotations_of, step_summary  # noqa: PLC0415  nobody else needs it

    for line in annotations_of(suite):
        output.say(line)
    if file := os.environ.get("GITHUB_STEP_SUMMARY"):
        try:
            with Path(file).open("a", encoding="utf-8") as summary:
                summary.write(step_summary(suite))
        except OSError as problem:
            output.note(f"GITHUB_STEP_SUMMARY: {file}: cannot be written: {problem.strerror or problem}")
