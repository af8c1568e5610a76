"""Secrets blotted out of text: known by the directive that they follow, or by their place in a URL.

For whatever is printed or written and may quote what a user wrote: errors, options, what nodes logged,
configuration that a node has rewritten. A run's own passwords are known by value and redacted where they are
known. The trap: better a word too many than a password.
"""

from __future__ import annotations

import re

from harness.model.directive_table import SECRET

REDACTED = "<redacted>"

_NAMES = "|".join(sorted({name.split()[-1] for name in SECRET} - {"user"}, key=len, reverse=True))
# `requirepass x`, `requirepass: "x y"`, `requirepass=x`, `auth-pass sessions x`: to the end of the line.
_AFTER_NAME = re.compile(
    rf"(?i)(?<![a-z0-9_-])({_NAMES})(['\"]?[ \t]*[=:]?[ \t]+|['\"]?[=:])(?=\S)[^\n]*?(['\"]?)$", re.MULTILINE
)
_OF_A_USER = re.compile(r"(?im)\buser['\"]?[ \t]*[:=]?[ \t]*[^\n]*")
_RULE = re.compile(r"(^|[\s\"'\[(,=])([><#!])[^\s\"'\])},]+")
_IN_A_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://[^\s:/@'\"]*):[^\s'\"]*@")


def redacted(text: str) -> str:
    """The text without what follows a directive that holds a secret, and without passwords in URLs."""
    text = _AFTER_NAME.sub(rf"\1\2{REDACTED}\3", text)
    text = _OF_A_USER.sub(lambda found: _RULE.sub(rf"\1\2{REDACTED}", found[0]), text)
    return without_url_passwords(text)


def without_url_passwords(text: str) -> str:
    """For sentences of the kit, which name directives and may quote the address of an engine."""
    return _IN_A_URL.sub(rf"\1:{REDACTED}@", text)
