"""Compare the checks with brute force: `python -m lab.twin`."""

from __future__ import annotations

from pathlib import Path

from harness.options import Parser
from lab.command import as_command
from lab.rows import RUNS, Row, report
from lab.twin.compare import Compared, as_text, compare


def main() -> int:
    parser = Parser(prog="python -m lab.twin", description=__doc__)
    parser.add_argument("--tales", type=int, default=20_000, help="of each kind, right and wrong")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", type=int, default=3, help="tales to print of those judged wrongly")
    parser.add_argument("--out", type=Path, default=RUNS, help="folder for twin.json")
    given = parser.parse_args()
    found = compare(given.seed, right=given.tales, wrong=given.tales)
    for tale, names in found.false_alarms[: given.show]:
        print(f"false alarm, {', '.join(names)}:\n{as_text(tale)}")
    for tale in found.missed[: given.show]:
        print(f"missed:\n{as_text(tale)}")
    return report(
        "twin", rows(found), directory=given.out, title=f"sessions against brute force, seed {given.seed}"
    )


def rows(found: Compared) -> list[Row]:
    reasons = "; ".join(f"{count} × {reason}" for reason, count in found.undecidable.most_common())
    named = ", ".join(f"{name} {count}" for name, count in found.named.most_common())
    return [
        Row(name="correct histories", measured=found.right, note="some order explains them"),
        Row(name="with a finding", measured=len(found.false_alarms), at_most=0, note="false alarms"),
        Row(name="contradictory histories", measured=found.wrong, note=f"found: {named}"),
        Row(name="without a finding", measured=len(found.missed), at_most=0, note="missed"),
        Row(name="undecidable by definition", measured=found.undecidable.total(), note=reasons),
        Row(name="judged otherwise with the screen", measured=found.unlike, at_most=0),
    ]


if __name__ == "__main__":
    as_command(main)
