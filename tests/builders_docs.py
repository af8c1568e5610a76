"""The project's documents, and how tests look things up in their Markdown."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
}
FAULTS_TEXT, BEHAVIOURS_TEXT, FINDINGS_TEXT, RESULTS_TEXT, GUIDE = (
    DOCUMENTS[f"docs/{name}.md"]
    for name in ("faults", "behaviours", "findings", "results", "writing-scenarios")
)


def ticked(text: str) -> list[str]:
    return re.findall(r"`([^`\n]+)`", text)


def table_rows(text: str) -> list[list[str]]:
    """The cells of every table row, in order."""
    lines = [line for line in text.splitlines() if line.startswith("|") and not line.startswith("| ---")]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines]


def table_row(text: str, first: str) -> list[str]:
    """The one row whose first cell names `first`, bare, in backticks or as a link."""
    found = [cells for cells in table_rows(text) if re.split(r"\]\(", cells[0])[0].strip("[`") == first]
    assert len(found) == 1, f"{first!r}: expected one table row, found {len(found)}"
    return found[0]


def section_of(text: str, heading: str) -> str:
    """What stands under a heading, up to the next one of any depth."""
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"no section {heading!r}"
    return found[1]
