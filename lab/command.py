"""A measurement as a command: what it returns is its exit status, and neither Ctrl-C nor an error of the
kit's is a traceback."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NoReturn

from harness.errors import ExitStatus, KitError

STOPPED = "stopped by Ctrl-C"


def as_command(main: Callable[[], int], stopped: str = STOPPED) -> NoReturn:
    """Run `main` and end with its status. An error of the kit's: its message and its status. Ctrl-C: say
    `stopped`, and end with 130."""
    try:
        sys.exit(main())
    except KitError as problem:
        print(problem, file=sys.stderr)
        sys.exit(problem.exit_code)
    except KeyboardInterrupt:
        print(f"\n{stopped}", file=sys.stderr)
        sys.exit(ExitStatus.INTERRUPTED)
