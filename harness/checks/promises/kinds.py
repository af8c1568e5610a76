"""The kinds of findings that several checks make; the others are declared beside the one check that does."""

from __future__ import annotations

from harness.model.finding_kind import WITNESSED, FindingKind, FindingTrait, Need, OutOf, Premise
from harness.model.words import FindingSide

LOST_UPDATE = FindingKind(
    name="lost-update",
    side=FindingSide.CLOSED,
    sentence="a field shows an older value than the last confirmed write, and keeps it",
    out_of=OutOf.WRITES,
    traits=(FindingTrait.LOST_WRITE, FindingTrait.LOSS, FindingTrait.BREAKS_SESSION),
)

STALE_READ = FindingKind(
    name="stale-read",
    side=FindingSide.CLOSED,
    sentence="a read got an old value while the newer value exists",
    out_of=OutOf.READS,
    traits=(FindingTrait.ONE_PER_SESSION, FindingTrait.MAY_END_SESSION, FindingTrait.EITHER_SIDE),
)

GHOST_RETRY = FindingKind(
    name="ghost-retry",
    side=FindingSide.CLOSED,
    sentence="a late attempt of an old request overwrote a newer write",
    needs=WITNESSED,
    out_of=OutOf.WRITES,
    traits=(FindingTrait.BREAKS_SESSION,),
)

EXPIRED_EARLY = FindingKind(
    name="expired-early",
    side=FindingSide.CLOSED,
    sentence="the session expired before its idle timeout",
    premises=frozenset({Premise.TIMEOUT}),
    traits=(
        FindingTrait.LOSS,
        FindingTrait.BREAKS_SESSION,
        FindingTrait.MAY_END_SESSION,
        FindingTrait.ONE_PER_SESSION,
        FindingTrait.OF_DEADLINES,
    ),
)

UNEXPLAINED = FindingKind(
    name="unexplained",
    side=FindingSide.CLOSED,
    sentence="something impossible happened that no other finding describes",
    needs=frozenset({Need.AUDIT, Need.GUARDED_WRITES, Need.PRIMARY_READS}),
    traits=(FindingTrait.BREAKS_SESSION,),
)
