"""A document: a session that is one value under one key (`SET ... EX` of JSON), saved as a whole at the end
of a request, as connect-redis, Flask-Session, Laravel and Django do.

Promise: what a confirmed save put in is there for the next request, until the session ends.

The model. Every save adds its own mark to the marks that it had read, so a value names all saves that it is
built on. A look without the mark of a save that was certainly done before breaks the promise. If another save
without that mark may have come in between, it overwrote it: two requests read the same value, and the later
save carried the earlier one away (`save-overwritten`, by design of such stores). Otherwise it is gone
(`save-lost`).

Trap: what a reader cannot open (compressed, packed, sealed with another key) is no look at all; a behaviour
that sees it says so as a mark that nobody made (`UNREADABLE`).
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from harness.model.finding_kind import FindingKind, FindingTrait, OutOf
from harness.model.times import FOREVER
from harness.model.words import Cause, FindingSide, StepKind
from harness.objects.flag import SHOWN_OF_OWNER
from harness.objects.kind import VALUE, Breach, Change, Look, OneValue, Past, Reply, owner_of

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

SAVE_LOST = FindingKind(
    name="save-lost",
    side=FindingSide.CLOSED,
    sentence="a session that was saved as a whole lacks what was confirmed",
    out_of=OutOf.WRITES,
    traits=(FindingTrait.LOST_WRITE, FindingTrait.LOSS),
)

SAVE_OVERWRITTEN = FindingKind(
    name="save-overwritten",
    side=FindingSide.CLOSED,
    sentence="a request saved the whole session over what another request had saved",
    out_of=OutOf.WRITES,
)

PLAIN, COMPRESSED, SEALED, MESSAGE_PACK = "plain", "compressed", "sealed", "msgpack"
FORMS = (PLAIN, COMPRESSED, SEALED, MESSAGE_PACK)
"""JSON as it is; compressed with zlib; encrypted and authenticated (Fernet: AES and HMAC); MessagePack, as
Flask-Session stores it."""

UNREADABLE = "unreadable"

_MARKS = "marks"
_REST = "one item of many, and what else a session holds"
_COMPRESSED, _SEALED, _PACKED = "z:", "s:", "m:"
_KEY = base64.urlsafe_b64encode(b"an application's configured key.")
"""Of every run the same: what is under test is a store, not a secret."""


def packed(marks: Sequence[str], form: str, *, payload: int = 0) -> str:
    """A session with these marks, as it is stored, with `payload` bytes of other content at the least. Text
    in every form, because clients decode."""
    rest = " ".join([_REST] * max(1, -(-payload // (len(_REST) + 1))))
    content = {_MARKS: list(marks), "rest": rest}
    if form == MESSAGE_PACK:
        return _PACKED + base64.b85encode(msgspec.msgpack.encode(content)).decode()
    text = json.dumps(content)
    if form == COMPRESSED:
        return _COMPRESSED + base64.b85encode(zlib.compress(text.encode(), 6)).decode()
    if form == SEALED:
        return _SEALED + _seal().encrypt(text.encode()).decode()
    return text


def marks_in(value: str) -> list[str]:
    """What a stored value is built on; UNREADABLE: nobody can have stored this."""
    try:
        marks = _content(value)[_MARKS]
    except (ValueError, KeyError, TypeError, RecursionError, zlib.error, binascii.Error, msgspec.DecodeError):
        return [UNREADABLE]
    return [str(one) for one in marks] if isinstance(marks, list) else [UNREADABLE]


def _content(value: str) -> Any:
    """
    Raises:
        ValueError, zlib.error, msgspec.DecodeError: nobody can have stored this.
    """
    if value.startswith(_PACKED):
        return msgspec.msgpack.decode(base64.b85decode(value.removeprefix(_PACKED)))
    return json.loads(_opened(value))


def _opened(value: str) -> str:
    """
    Raises:
        ValueError, zlib.error: nobody can have stored this.
    """
    if value.startswith(_COMPRESSED):
        return zlib.decompress(base64.b85decode(value.removeprefix(_COMPRESSED))).decode()
    if value.startswith(_SEALED):
        from cryptography.fernet import InvalidToken  # noqa: PLC0415 - few runs seal

        try:
            return _seal().decrypt(value.removeprefix(_SEALED)).decode()
        except InvalidToken:
            raise ValueError("somebody else's seal, or a broken one") from None
    return value


@cache
def _seal() -> Fernet:
    from cryptography.fernet import Fernet  # noqa: PLC0415 - it takes longer to import than most verbs to run

    return Fernet(_KEY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document(OneValue):
    field: ClassVar[str] = VALUE
    what: str
    once: bool = False

    @property
    def findings(self) -> tuple[FindingKind, ...]:
        return (SAVE_LOST, SAVE_OVERWRITTEN)

    def named(self, key: str) -> str:
        return f"{self.what} {owner_of(key)[:SHOWN_OF_OWNER]}"

    def shown(self, replies: Sequence[Reply]) -> tuple[dict[str, str], int | None]:
        """Marks only: what else it holds is of no interest."""
        value, pttl_ms = replies
        return ({} if value is None else {VALUE: " ".join(marks_in(str(value)))}), pttl_ms

    def looked(self, saw: Mapping[str, str]) -> str | None:
        return saw.get(VALUE)

    def holds_until_us(self, past: Past) -> float | None:
        saves = [one for one in past.changes if one.certain and one.does is StepKind.PUT]
        return max((_ends_us(past, one) for one in saves), default=None)

    def judge(self, past: Past) -> Sequence[Breach]:
        saves = [one for one in past.changes if one.does is StepKind.PUT and one.value]
        marks = {_marks(one)[-1] for one in saves}
        looks = sorted(past.looks, key=lambda one: one.sent_us)
        return [*_broken(past, saves, looks), *_of_nobody(marks, looks)]


def _broken(past: Past, saves: Sequence[Change], looks: Sequence[Look]) -> Iterable[Breach]:
    """One breach for each save, with everybody who missed it."""
    seen = [(look, set((look.value or "").split())) for look in looks]
    for save in saves:
        if not save.certain:
            continue
        mark, ends_us = _marks(save)[-1], _ends_us(past, save)
        missed = [
            look
            for look, marks in seen
            if look.sent_us > save.done_us and look.done_us < ends_us and mark not in marks
        ]
        if not missed:
            continue
        first = missed[0]
        over = first.value is not None and any(_may_have_covered(one, save, mark, first) for one in saves)
        yield Breach(
            kind=SAVE_OVERWRITTEN if over else SAVE_LOST,
            promise=save,
            looks=missed,
            says=f"did not find in {{it}} what was saved as {mark}",
            cause=Cause.APPLICATION_RACE if over else None,
        )


def _may_have_covered(other: Change, save: Change, mark: str, look: Look) -> bool:
    """Another save, built on a value without this one, that may have come between it and the look."""
    return mark not in _marks(other) and other.until_us > save.first_us and other.first_us < look.done_us


def _of_nobody(marks: set[str], looks: Sequence[Look]) -> Iterable[Breach]:
    strange = [look for look in looks if look.value and not marks.issuperset(look.value.split())]
    if strange:
        yield Breach(
            kind=None,
            promise=None,
            looks=strange,
            says="found {it} with a value that no operation had saved, or that cannot be read",
        )


def _marks(save: Change) -> list[str]:
    return (save.value or "").split()


def _ends_us(past: Past, save: Change) -> float:
    """It is kept until then at the least: each later save lets it live longer."""
    return FOREVER if save.ttl_us is None else save.sent_us + save.ttl_us - past.epsilon_us


SAVED = Document(prefix="sess:", what="the saved session")
"""The session of one login as one value, under the key that connect-redis gives it."""

OF_LARAVEL = Document(prefix="laravel_database_laravel_cache_:", what="the saved session")
OF_DJANGO = Document(prefix=":1:django.contrib.sessions.cache", what="the saved session")
"""The same under the keys of these frameworks, with their settings left as they are. That of Flask-Session is
`session:`, which is the key of the session that a log-in makes here."""

SHAPES: Mapping[str, Document] = {"connect-redis": SAVED, "laravel": OF_LARAVEL, "django": OF_DJANGO}
