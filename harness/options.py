"""Options of a command whose misspelt values are answered with the nearest one."""

from __future__ import annotations

import argparse
from typing import Any

from harness.model.nearest import did_you_mean


class Parser(argparse.ArgumentParser):
    """For the kit's own command and for those of `lab`; parsers of verbs become the same."""

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        legal = list(map(str, action.choices))
        hint = did_you_mean(str(value), legal)
        raise argparse.ArgumentError(
            action, f"invalid choice: {value!r}{hint} (choose from {', '.join(map(repr, legal))})"
        )
