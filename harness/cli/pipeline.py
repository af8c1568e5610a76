"""What a CI system gets besides the files: GitHub's annotations and the summary of its job, in GitLab the
addresses of the pages.

Others read `junit.xml`, which every suite has.
"""

from __future__ import annotations

import os
from pathlib import Path

from harness import output
from harness.model.results import SuiteResult
from harness.visible import one_line


def tell_pipeline(suite: SuiteResult) -> None:
    """Say it to the system in one of whose jobs this runs."""
    if os.environ.get("GITHUB_ACTIONS") == "true":
        _tell_github(suite)
    if os.environ.get("GITLAB_CI") == "true":
        _tell_gitlab(suite)


def _tell_github(suite: SuiteResult) -> None:
    """A summary that cannot be written changes nothing."""
    from harness.report.github import annotations_of, step_summary  # noqa: PLC0415  nobody else needs it

    for line in annotations_of(suite):
        output.say(line)
    if file := os.environ.get("GITHUB_STEP_SUMMARY"):
        try:
            with Path(file).open("a", encoding="utf-8") as summary:
                summary.write(step_summary(suite))
        except OSError as problem:
            output.note(f"GITHUB_STEP_SUMMARY: {file}: cannot be written: {problem.strerror or problem}")


def _tell_gitlab(suite: SuiteResult) -> None:
    from harness.report.gitlab import addresses  # noqa: PLC0415  nobody else needs it

    url, project = os.environ.get("CI_JOB_URL"), os.environ.get("CI_PROJECT_DIR")
    if url and project:
        for line in addresses(suite, job_url=url, project=Path(project)):
            output.say(one_line(line))
