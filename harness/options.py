"""Options of a command: misspelt ones, and misspelt values, are answered with the nearest one."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from harness.model.nearest import did_you_mean


class Parser(argparse.ArgumentParser):
    """For the kit's own command and for those of `lab`; parsers of verbs become the same.

    No option can be shortened: a misspelt one would be taken for another. `passes_on`: what is not known is
    for another command.
    """

    def __init__(self, *args: Any, passes_on: bool = False, **given: Any) -> None:
        super().__init__(*args, **{"allow_abbrev": False, **given})
        self._passes_on = passes_on

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Nothing is left over: a verb says itself what it does not know, with its own usage."""
        found, left = super().parse_known_args(args, namespace)
        if left and not self._passes_on:
            legal = [one for action in self._actions for one in action.option_strings]
            hint = did_you_mean(left[0].partition("=")[0], legal)
            self.error(f"unrecognized arguments: {' '.join(left)}{hint}")
        return found, left

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        legal = list(map(str, action.choices))
        hint = did_you_mean(str(value), legal)
        raise argparse.ArgumentError(
            action, f"invalid choice: {value!r}{hint} (choose from {', '.join(map(repr, legal))})"
        )
