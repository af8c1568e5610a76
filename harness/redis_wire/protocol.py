"""Commands to bytes, bytes to replies.

Replies are text, numbers, None and lists of these. The trap: RESP2 is spoken, so INFO is one text and a map
is a flat list of names and values.

An error reply is an answer: the node is there, and did not do what it was asked. No answer is the opposite:
the node may have done it. So these are two exceptions and never one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import hiredis

from harness.errors import KitError
from harness.model.seams import Login

Word = str | bytes | int
Command = Sequence[Word]
"""`("INFO", "stats")`."""

Reply = Any
"""Text, number, None, or a list of these; and an `ErrorReply` where error replies are values."""


class NoAnswer(KitError):
    """No connection, or no reply in time: whether the command was carried out is not known."""


class ErrorReply(KitError):
    """The node answered with an error. `text` is Redis' own, `NOAUTH Authentication required.`"""

    def __init__(self, text: str, about: str = "") -> None:
        super().__init__(f"{about}: {text}" if about else text)
        self.text = text

    @property
    def code(self) -> str:
        """The first word: `NOAUTH`, `LOADING`, `ERR`."""
        return self.text.partition(" ")[0]


NOT_RENAMED: Mapping[str, str] = MappingProxyType({})


def as_login(secret: str | Login | None) -> Login | None:
    """A password alone is the default user's."""
    return Login(password=secret) if isinstance(secret, str) else secret


def spelt(commands: Iterable[Command], renamed: Mapping[str, str]) -> list[Command]:
    """Commands by the names that a node knows them by."""
    return [(renamed.get(str(name).upper(), name), *words) for name, *words in commands]


def packed(commands: Iterable[Command]) -> bytes:
    """Commands as they are sent, in one piece: the server carries them out back to back."""
    return b"".join(map(_packed, commands))


def reply_reader() -> Any:
    """Takes bytes with `feed`; `gets` returns the next reply, or False until it is all there.

    Values that are no UTF-8 stay visible instead of stopping the reader. `gets` raises
    `hiredis.ProtocolError` for bytes that are not of the protocol.
    """
    return hiredis.Reader(encoding="utf-8", errors="backslashreplace", replyError=ErrorReply)


def as_map(flat: Sequence[str]) -> dict[str, str]:
    """RESP2's flat list of names and values."""
    return dict(zip(flat[::2], flat[1::2], strict=False))


def _packed(command: Command) -> bytes:
    return bytes(hiredis.pack_command(tuple(command)))  # type: ignore[arg-type]  # its stub knows one word only
