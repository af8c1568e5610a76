"""`python -m lab.survival`: every topology under every fault on every engine that is here, and the page.

It begins nothing after `--minutes`, and the same command goes on where it was. `--page` runs nothing: it
writes the pages anew, from the runs that `--out` has. Where these are gone, README.md is made from
docs/survival/*.json, and the decision pages keep what they say and look as pages do now.
"""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import replace
from pathlib import Path

import msgspec

from harness.clock import RunClock
from harness.many.cells import cells_of
from harness.model.results import SuiteResult
from harness.model.words import BackendKind
from harness.options import Parser
from harness.report.decision import decision
from harness.report.page import templates
from harness.report.summary import summary_text
from harness.report.words import unbroken
from harness.report.write import SUITE, read_suite
from harness.safe_files import make_folder, write_file
from lab.command import as_command
from lab.kit_runs import kit_run
from lab.published import encoded, today
from lab.rows import ROOT, RUNS
from lab.survival.page import page
from lab.survival.record import Record

MATRICES = {
    BackendKind.PROCESS: ROOT / "matrices" / "survival" / "processes.yaml",
    BackendKind.DOCKER: ROOT / "matrices" / "survival" / "containers.yaml",
}
PUBLISHED = ROOT / "docs" / "survival"
_CELL = re.compile(r"<td data-column=(?!\"choice).*?</td>")
_STYLE = re.compile("<style>.*?</style>", re.DOTALL)


def main() -> int:
    given = _parser().parse_args()
    make_folder(PUBLISHED, exist_ok=True)
    clock = RunClock()
    for backend, matrix in MATRICES.items():
        if given.backend in (None, backend):
            if not given.page:
                _run(given, backend, matrix, 60 * given.minutes - clock.now_us() / 1e6)
            if _publish(given.out / backend, matrix.stem):
                continue
            if given.page:
                _dress(PUBLISHED / f"{matrix.stem}.html")
            else:
                print(f"{given.out / backend}: no results", file=sys.stderr)
    write_file(PUBLISHED / "README.md", page(records()).encode())
    print(f"{(PUBLISHED / 'README.md').relative_to(ROOT)}: written")
    return 0


def _parser() -> Parser:
    parser = Parser(prog="python -m lab.survival", description=__doc__)
    parser.add_argument("--backend", choices=tuple(MATRICES), type=BackendKind, help="only this one")
    parser.add_argument("--minutes", type=float, default=60.0, help="begin nothing after so many")
    parser.add_argument("--jobs", type=int, help="how many runs side by side")
    parser.add_argument(
        "--out", type=Path, default=RUNS / "survival", help="for the runs; goes on with what is there"
    )
    parser.add_argument("--page", action="store_true", help="run nothing, write the pages anew")
    return parser


def records() -> list[Record]:
    """What docs/survival/ has, in the order of the matrices."""
    found = [PUBLISHED / f"{matrix.stem}.json" for matrix in MATRICES.values()]
    return [msgspec.json.decode(one.read_bytes(), type=Record) for one in found if one.exists()]


def _run(given: argparse.Namespace, backend: BackendKind, matrix: Path, left_s: float) -> None:
    """Until everything has run or the time is over; what is under way then runs again next time."""
    if left_s <= 0:
        return
    out = given.out / backend
    words = [str(matrix.relative_to(ROOT)), "--backend", backend, "--seed", "1", "--out", str(out)]
    words += ["--jobs", str(given.jobs)] if given.jobs else []
    words += ["--resume", str(begun)] if (begun := _begun(out)) else []
    kit_run(words, within_s=left_s)


def _begun(out: Path) -> Path | None:
    return max(out.glob("*-matrix-*"), default=None)


def _publish(out: Path, name: str) -> bool:
    """Whether there are runs to publish."""
    folder = _begun(out)
    if folder is None or not (folder / SUITE).exists():
        return False
    suite = read_suite(folder)
    record = Record.of(suite, summary_text(suite).encode(), str(folder), today())
    write_file(PUBLISHED / f"{name}.json", encoded(record))
    shown = _without_folders(suite)
    write_file(PUBLISHED / f"{name}.html", decision(shown, cells_of(shown.results)).encode())
    return True


def _dress(published: Path) -> None:
    if published.exists():
        write_file(published, dressed(published.read_text(encoding="utf-8")).encode())


def dressed(text: str) -> str:
    """A page with the style of today's pages in the place of its own, and its figures unbroken as theirs."""
    todays = _STYLE.search(templates().get_template("base.html").render())
    assert todays is not None
    styled = _STYLE.sub(lambda _: todays[0], text, count=1)
    return _CELL.sub(lambda found: unbroken(found[0]), styled)


def _without_folders(suite: SuiteResult) -> SuiteResult:
    """The page is published without the runs, so that it must not link to them."""
    return replace(suite, results=tuple(replace(one, run_dir="") for one in suite.results))


if __name__ == "__main__":
    as_command(main)
