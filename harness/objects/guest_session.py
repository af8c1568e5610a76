"""The session of a guest, seen through the back door: a key that the application made, of any type.

Nobody but the application can read what it says. So it has no model: whether it is there, and how long it is
to live, is all that the audit asks. `harness.checks.facts.back_door` compares the nodes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.model.finding_kind import FindingKind
from harness.objects.kind import VALUE, Breach, Command, Past, Reply
from harness.objects.told import Calm, Told

_NO_KEY = "none"


class GuestSession:
    """See `harness.objects.kind.ObjectKind`."""

    prefix = ""
    findings: tuple[FindingKind, ...] = ()
    once = False

    def named(self, key: str) -> str:
        return f"the key {key}"

    def key(self, of: str) -> str:
        return of

    def questions(self, key: str) -> tuple[Command, ...]:
        return (("TYPE", key), ("PTTL", key))

    def shown(self, replies: Sequence[Reply]) -> tuple[dict[str, str], int | None]:
        kind, pttl_ms = replies
        return ({} if kind == _NO_KEY else {VALUE: str(kind)}), pttl_ms

    def looked(self, saw: Mapping[str, str]) -> str | None:
        return saw.get(VALUE)

    def holds_until_us(self, past: Past) -> float | None:  # noqa: ARG002 - the protocol's
        return None

    def judge(self, past: Past) -> Sequence[Breach]:  # noqa: ARG002 - the protocol's
        return ()

    def calm(self, told: Told) -> Calm | None:  # noqa: ARG002 - the protocol's
        return None


GUEST_SESSION = GuestSession()
