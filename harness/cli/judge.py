"""`judge`: a results folder again, or a history that somebody else recorded.

The latter needs nothing of what judges runs, and most of its time would go into importing that.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from harness import output
from harness.errors import UsageError
from harness.saved.foreign import judge_file


def judge(options: argparse.Namespace) -> int:
    if (options.run is None) == (options.history is None):
        raise UsageError("judge: expected either a results folder or --history FILE")
    if options.history is not None:
        lines, exit_code = judge_file(Path(options.history), partial=options.partial)
        output.say("\n".join(lines))
        return exit_code
    if options.partial:
        raise UsageError("judge: --partial belongs to --history")
    from harness.cli import saved  # noqa: PLC0415 - numpy, Arrow and all checks come with it

    return saved.judge(options)
