"""Where reports are printed: a terminal, or a log."""

from __future__ import annotations

from typing import TextIO

from rich.console import Console

LOG_WIDTH = 160
"""Columns assumed where there is no terminal: CI logs scroll sideways rather than wrap."""


def console_on(stream: TextIO) -> Console:
    width = None if stream.isatty() else LOG_WIDTH
    return Console(file=stream, width=width, soft_wrap=False, emoji=False, markup=False)
