"""`python -m lab.conformance JUNIT`: the table of the libraries in pytest's results.

With `--write` it goes into docs/client-libraries.md, with what was recorded there of the other libraries.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from harness.errors import ExitStatus
from harness.options import Parser
from harness.safe_files import write_file
from lab.command import as_command
from lab.conformance.table import MADE, Passed, after_all, markdown, passed_in
from lab.published import encoded, today
from lab.rows import ROOT

RECORD = ROOT / "docs" / "client-libraries.json"
DOCUMENT = ROOT / "docs" / "client-libraries.md"


def main() -> int:
    parser = Parser(prog="python -m lab.conformance", description=__doc__)
    parser.add_argument("junit", type=Path, help="what pytest wrote with --junitxml")
    parser.add_argument("--write", action="store_true", help="into docs/client-libraries.md and .json")
    given = parser.parse_args()
    try:
        found = passed_in(given.junit.read_bytes(), today())
    except (OSError, ValueError) as problem:
        print(f"{given.junit}: {problem}", file=sys.stderr)
        return ExitStatus.USAGE
    print(markdown(found))
    if given.write:
        known = after_all(recorded(), found)
        write_file(RECORD, encoded(known))
        document = MADE.into(DOCUMENT.read_text(encoding="utf-8"), markdown(known))
        write_file(DOCUMENT, document.encode())
    return ExitStatus.PASSED


def recorded() -> list[Passed]:
    return msgspec.json.decode(RECORD.read_bytes(), type=list[Passed]) if RECORD.exists() else []


if __name__ == "__main__":
    as_command(main)
