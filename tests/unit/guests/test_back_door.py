"""From cookies to keys, and from keys on nodes to findings."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.checks.run import run_checks
from harness.guests.back_door import key_in
from harness.model.guest import BackDoor, Guest
from harness.model.history import History
from harness.model.records import ObjectEntry
from harness.objects.guest_session import GUEST_SESSION
from harness.objects.kind import VALUE
from tests.unit.checks.stories.guests import GuestPast

PRIMARY, REPLICA = "primary", "replica"
ANN, BOB = "ann", "bob"
GUEST = Guest(name="a shop", file="guest.yaml", folder="/", start=("serve",), cookie="sid")


@pytest.mark.parametrize(
    ("door", "cookies", "key"),
    [
        (None, {"sid": "abc"}, None),
        (BackDoor(key="sess:{id}"), {"sid": "abc", "csrf": "x"}, "sess:abc"),
        (BackDoor(key="sess:{id}"), {"csrf": "x"}, "sess:x"),
        (BackDoor(key="sess:{id}"), {"sid": ""}, None),
        (BackDoor(key="sess:{id}"), {}, None),
        (BackDoor(key="sess:{id}", id=r"^s:([^.]+)"), {"sid": "s%3Aabc.sig"}, "sess:abc"),
        (BackDoor(key="sess:{id}", id="[a-c]+"), {"sid": "xx-abc"}, "sess:abc"),
        (BackDoor(key="sess:{id}", id=r"^s:([^.]+)"), {"sid": "abc"}, None),
        (
            BackDoor(key="2::{id_sha256}"),
            {"sid": "abc"},
            "2::ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ),
    ],
)
def test_a_key_follows_from_the_cookie(
    door: BackDoor | None, cookies: dict[str, str], key: str | None
) -> None:
    """Signed, encoded, hashed; and none where there is no session."""
    assert key_in(replace(GUEST, back_door=door), cookies) == key


def test_a_node_is_asked_whether_the_key_is_there() -> None:
    """Of whatever type it is; what it says is the application's own business."""
    assert GUEST_SESSION.questions("k") == (("TYPE", "k"), ("PTTL", "k"))
    assert GUEST_SESSION.shown(["none", -2]) == ({}, -2)
    assert GUEST_SESSION.shown(["string", 900]) == ({VALUE: "string"}, 900)


def audited(*keys: tuple[str, str, str, int], settled: bool = True) -> History:
    """A run in which all is well at the front door. `keys`: user, node, role, PTTL (-2: not there)."""
    past = GuestPast()
    users = {name: past.log_in(name, 1.0 + number / 10) for number, name in enumerate((ANN, BOB))}
    for session in users.values():
        past.read(session, 2.0)
    history = past.history()
    of = {name: next(one.key for one in history.operations if one.user == name) for name in users}
    assert history.valid_pass is not None
    at_us = max(one.sent_us for one in history.audit)
    entries = tuple(
        ObjectEntry(
            pass_n=history.valid_pass,
            key=of[user],
            node=node,
            role=role,
            sent_us=at_us,
            done_us=at_us + 500,
            saw={} if pttl_ms == -2 else {VALUE: "string"},
            pttl_ms=pttl_ms,
        )
        for user, node, role, pttl_ms in keys
    )
    closing = history.closing
    if closing is not None and not settled:
        closing.not_recovered = "replicas are not attached"
    return replace(history, objects=entries)


def found(*keys: tuple[str, str, str, int], settled: bool = True) -> list[str]:
    findings, _, _, crashed = run_checks(audited(*keys, settled=settled))
    assert not crashed
    return [f"{one.name}: {one.sentence}" for one in findings if one.name != "no-recovery"]


LASTING = 900_000


def test_a_key_that_every_node_has_is_no_finding() -> None:
    """Nor one that none has: what became of the session is for the front door to say."""
    assert not found(
        (ANN, "redis-1", PRIMARY, LASTING),
        (ANN, "redis-2", REPLICA, LASTING - 20),
        (BOB, "redis-1", PRIMARY, -2),
        (BOB, "redis-2", REPLICA, -2),
    )


@pytest.mark.parametrize(
    ("of_replica", "how"),
    [(-2, "only one of them has its key"), (-1, "time to live"), (LASTING - 5000, "time to live")],
)
def test_a_replica_without_the_key_of_its_primary_diverges(of_replica: int, how: str) -> None:
    """And one where it is to live for another time; before the topology has settled it proves nothing."""
    keys = ((ANN, "redis-1", PRIMARY, LASTING), (ANN, "redis-2", REPLICA, of_replica))
    (said,) = found(*keys)
    assert said.startswith(
        "replica-divergence: After recovery redis-2 and its primary redis-1 hold different"
    )
    assert how in said
    assert not found(*keys, settled=False)
    assert not found((ANN, "redis-1", PRIMARY, 1500), (ANN, "redis-2", REPLICA, -2)), (
        "it may have ended meanwhile"
    )


def test_a_key_without_an_end_is_found_where_others_have_one() -> None:
    """An application that gives none to anybody means it."""
    (said,) = found((ANN, "redis-1", PRIMARY, -1), (BOB, "redis-1", PRIMARY, LASTING))
    assert said.startswith("immortal-session: Session ")
    assert "holds its key without one, and 1 keys of others with one" in said
    assert not found((ANN, "redis-1", PRIMARY, -1), (BOB, "redis-1", PRIMARY, -1))
