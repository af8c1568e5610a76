"""A measurement as a command: what it returns is its exit status, and Ctrl-C is no traceback."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NoReturn

from harness.errors import ExitStatus

STOPPED = "stopped by Ctrl-C"


def as_command(main: Callable[[], int], stopped: str = STOPPED) -> NoReturn:
    """Run `main` and end with its status. Ctrl-C: say `stopped`, and end with 130."""
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print(f"\n{stopped}", file=sys.stderr)
        sys.exit(ExitStatus.INTERRUPTED)
