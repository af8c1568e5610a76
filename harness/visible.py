r"""Text from elsewhere, made harmless to show: what a terminal or a page would obey is spelled out instead.

A run folder, a scenario file and its name may come from anybody. A control character in them could clear
a terminal or fill its clipboard, and a bidirectional one could make a line read as what it is not. So each
such character is shown as its number (`\x1b`, `\u202e`), in the terminal, in HTML and in JUnit alike.
"""

from __future__ import annotations

import re

_OBEYED = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but for tab and line feed, DEL, C1
    "\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # unseen, or turns text
    "\ud800-\udfff\ufffe\uffff"  # no characters at all: bytes of a file name that are no UTF-8, half pairs
)
_IN_TEXT = re.compile(f"[{_OBEYED}]")
_IN_LINE = re.compile(f"[{_OBEYED}\t\n]")
_IN_NAME = re.compile(r"[^\w-]+")

NAME_LENGTH = 100
"""Of what a scenario's folder is called: several are joined and still fit into what a disk allows."""


def visible(text: str) -> str:
    """Text of several lines, with every character that would be obeyed spelled out."""
    return _IN_TEXT.sub(_spelled, text)


def one_line(text: str) -> str:
    """The same for what has one line: a name, a cell."""
    return _IN_LINE.sub(_spelled, text)


def visible_json(line: str) -> str:
    """A line of JSON with such characters as JSON escapes: it is shown safely, and means the same."""
    return _IN_LINE.sub(lambda found: f"\\u{ord(found[0]):04x}" if found[0] != "\t" else " ", line)


def as_folder_name(text: str) -> str:
    """A name for a folder, made from a text that somebody else chose: letters, digits, `-` and `_`."""
    return _IN_NAME.sub("-", text).strip("-")[:NAME_LENGTH] or "scenario"


def _spelled(found: re.Match[str]) -> str:
    number = ord(found[0])
    return {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(
        found[0], f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}"
    )
