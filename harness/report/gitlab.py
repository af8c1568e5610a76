"""What a job of GitLab prints of a suite: the addresses of its pages among the artefacts of the job.

GitLab reads `junit.xml` by itself. Trap: only files below the project's folder can be artefacts.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from harness.model.results import SuiteResult
from harness.model.words import Verdict

PAGES_MAX = 10
"""Of runs that did not pass; the suite's page has links to all."""


def addresses(suite: SuiteResult, *, job_url: str, project: Path) -> list[str]:
    """The suite's page, and that of each run that did not pass."""
    folder = Path(suite.directory).resolve()
    if not folder.is_relative_to(project.resolve()):
        return [f"no address: {folder} is outside of {project}, so that it cannot be an artefact; set --out"]
    base = f"{job_url.rstrip('/')}/artifacts/file/{quote(str(folder.relative_to(project.resolve())))}"
    fine = {Verdict.PASS, Verdict.SKIPPED}
    bad = [one for one in suite.results if one.run_dir and one.verdict not in fine]
    lines = [f"all scenarios: {base}/index.html"]
    lines += [f"{one.verdict} {one.label}: {base}/{quote(one.run_dir)}/index.html" for one in bad[:PAGES_MAX]]
    more = len(bad) - PAGES_MAX
    return [*lines, f"{more} more: see the page of all scenarios"] if more > 0 else lines
