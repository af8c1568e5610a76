"""`python -m lab.toy_guest`: the toy without a bug, 100,000 requests, and nothing may be found.

Requests come in rounds of a few thousand, each a run of its own that is judged for itself. The browsers here
are patient: on a busy machine their patience would decide what a hung request is.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path

from harness.checks.run import run_checks
from harness.model.words import Outcome
from harness.options import Parser
from lab.command import as_command
from lab.rows import RUNS, Row, report
from lab.toy_guest.driven import free_port, history_of

ROUND_S = 30.0
PATIENCE_S = 60.0


def main() -> int:
    parser = Parser(prog="python -m lab.toy_guest", description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--rate", type=float, default=150.0, help="requests per second")
    parser.add_argument("--out", type=Path, default=RUNS)
    given = parser.parse_args()
    outcomes, found = Counter[Outcome](), Counter[str]()
    while outcomes[Outcome.ACKED] < given.requests:
        with tempfile.TemporaryDirectory(prefix="failover-kit-toy-") as folder:
            history = history_of(
                "", free_port(), Path(folder), seconds=ROUND_S, rate_per_s=given.rate, patience_s=PATIENCE_S
            )
        findings, counts, _, crashed = run_checks(history)
        outcomes.update(one.outcome for one in history.operations)
        found.update(one.name for one in findings)
        found.update(f"perhaps {name}" for name, one in counts.items() if one.high > one.low)
        found.update(f"crashed: {name}" for name in crashed)
        print(f"{outcomes[Outcome.ACKED]} requests acked, found: {dict(found)}", flush=True)
    wrong = outcomes.total() - outcomes[Outcome.ACKED] - outcomes[Outcome.NOT_SENT]
    rows = [
        Row(name="requests acked", measured=outcomes[Outcome.ACKED], at_least=given.requests),
        Row(name="sent and not acked", measured=wrong, at_most=0),
        Row(
            name="findings, also possible ones",
            measured=found.total(),
            at_most=0,
            note=str(dict(found) or ""),
        ),
    ]
    return report("toy_guest", rows, directory=given.out, title="the toy without a bug")


if __name__ == "__main__":
    as_command(main)
