"""The line of a log that says why something did not come up. Pure."""

from __future__ import annotations

import re

_TELLING = (
    r"Can't resolve|Failed to resolve|Name or service not known|Temporary failure in name resolution",
    r"FATAL CONFIG FILE ERROR|Bad directive|Fatal error|unknown (?:directive|keyword)|\[ALERT\]",
    r"NOAUTH|WRONGPASS|NOPERM|invalid username-password|Authentication required",
    r"Device or resource busy|Permission denied|Read-only file system|No such file|not found",
    r"Address already in use|Cannot assign requested address|No space left|Out Of Memory|oom",
    r"\[ERR\]|CLUSTERDOWN|ERR |[Ee]rror|[Ff]ailed|refused|panic|Traceback",
)
"""Strongest first: an error at the start explains the errors after it."""

_NOISE = re.compile(r"overcommit|somaxconn|Transparent Huge|no config file specified", re.IGNORECASE)
_CAUSE_FOLLOWS = re.compile(r"FATAL CONFIG FILE ERROR|Reading the configuration file")
_LONGEST = 220


def decisive(log: str) -> str:
    """Empty: the log is empty."""
    lines = [line.strip() for line in log.splitlines() if line.strip() and not _NOISE.search(line)]
    for pattern in _TELLING:
        for number, line in enumerate(lines):
            if re.search(pattern, line):
                return _shortened(_with_cause(lines, number))
    return _shortened(lines[-1]) if lines else ""


def _with_cause(lines: list[str], number: int) -> str:
    """A server that refuses its configuration names the line, and why, in the lines that follow."""
    if _CAUSE_FOLLOWS.search(lines[number]):
        return " ".join(lines[number : number + 4])
    return lines[number]


def _shortened(line: str) -> str:
    return line if len(line) <= _LONGEST else line[:_LONGEST] + "…"
