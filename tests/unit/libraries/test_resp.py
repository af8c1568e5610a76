"""Replies and commands are read from bytes however these are cut."""

from __future__ import annotations

import pytest

from harness.libraries.resp import ErrorReply, Found, Pushed, command_at, packed, reply_at

REPLIES = [
    (b"+OK\r\n", "OK"),
    (b":-3\r\n", -3),
    (b"-READONLY no\r\n", ErrorReply("READONLY no")),
    (b"$3\r\na\r\n\r\n", "a\r\n"),
    (b"$-1\r\n", None),
    (b"_\r\n", None),
    (b"#t\r\n", 1),
    (b"*-1\r\n", None),
    (b"*2\r\n$1\r\na\r\n*1\r\n-ERR x\r\n", ["a", [ErrorReply("ERR x")]]),
    (b"%1\r\n+a\r\n:1\r\n", ["a", 1]),
    (b"~1\r\n+a\r\n", ["a"]),
    (b"!5\r\nERR x\r\n", ErrorReply("ERR x")),
    (b">2\r\n+message\r\n:1\r\n", Pushed(["message", 1])),
]


@pytest.mark.parametrize(("sent", "meant"), REPLIES)
def test_reply_is_read_when_it_is_all_there_and_not_before(sent: bytes, meant: object) -> None:
    """Behind whatever came before it, and one byte short of it nothing is made up."""
    assert reply_at(b"+before\r\n" + sent + b"+more", 9) == Found(meant, 9 + len(sent))
    assert all(reply_at(sent[:end], 0) is None for end in range(len(sent)))


def test_command_is_read_back_as_its_words() -> None:
    """Whatever is in them."""
    words = ("HSET", "session:{ä}", "a\r\nb", "")
    sent = packed(*words)
    assert command_at(sent, 0) == Found(words, len(sent))
