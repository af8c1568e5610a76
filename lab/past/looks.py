"""The audit: every node is asked about everything that the story knows of."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, TypedDict, TypeVar

from harness.model.records import AuditEntry, ObjectEntry
from harness.objects.kind import ObjectKind
from lab.past.object_steps import replied
from lab.past.session_steps import pttl_ms
from lab.past.store import Data

Entry_co = TypeVar("Entry_co", covariant=True)


class Met(TypedDict):
    """What every entry says of the node that was asked."""

    pass_n: int
    node: str
    role: str
    run_id: str
    sent_us: int
    done_us: int


class Subject(Protocol[Entry_co]):
    """What nodes are asked about."""

    def entry(self, met: Met, held: Data | None) -> Entry_co:
        """`held`: what the node has; None: it did not answer."""


def looked(
    subjects: Iterable[Subject[Entry_co]],
    nodes: Iterable[Met],
    stores: Mapping[str, Data],
    silent: Container[str],
) -> Iterator[Entry_co]:
    nodes = tuple(nodes)
    for subject in subjects:
        for met in nodes:
            node = met["node"]
            yield subject.entry(met, None if node in silent else stores[node])


@dataclass(frozen=True)
class Session:
    sid: str
    user: str
    witnesses: bool

    def entry(self, met: Met, held: Data | None) -> AuditEntry:
        entry = AuditEntry(session=self.sid, **met)
        if held is not None:
            found = held.session(self.sid, met["sent_us"])
            entry.saw = dict(found.fields) if found is not None else {}
            entry.key_type = "hash" if found is not None else "none"
            entry.pttl_ms = pttl_ms(found, met["sent_us"])
            entry.witnesses = tuple(held.witnesses.get(self.sid, ())) if self.witnesses else None
            entry.indexed = self.sid in held.indexes.get(self.user, ())
        return entry


@dataclass(frozen=True)
class Object:
    key: str
    kind: ObjectKind

    def entry(self, met: Met, held: Data | None) -> ObjectEntry:
        entry = ObjectEntry(key=self.key, **met)
        if held is not None:
            value = held.object(self.key, met["sent_us"])
            entry.saw, entry.pttl_ms = self.kind.shown(
                (replied(self.kind, value), -2 if value is None else 1000)
            )
        return entry
