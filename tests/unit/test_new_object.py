"""An object is added in one place, and a behaviour on it in another: these exist nowhere else, and every stage takes
them for what they say of themselves."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.checks.promises import table
from harness.checks.run import run_checks
from harness.model.finding_kind import FindingKind
from harness.model.records import ObjectEntry
from harness.model.scenario import Declaration
from harness.model.words import FindingSide, OperationKind, Outcome, StepKind
from harness.objects import LEASES, OBJECTS, object_of
from harness.objects.kind import VALUE, Breach, Command, KeptObject, Past, Reply, keyed
from harness.objects.told import Calm, Told
from harness.observe.audit import show
from harness.redis_wire.keys import PREFIXES
from harness.redis_wire.scripted import Answer, ScriptedServer
from harness.running.vocabulary import shipped
from harness.sessions import BEHAVIOURS
from harness.sessions.flags import put, value_of
from harness.sessions.request import OK, Request
from lab import past as stories_of
from tests.unit.sessions.test_attempts import Bench, run

CONSENT_LOST = FindingKind(
    name="consent-lost", side=FindingSide.CLOSED, sentence="a user is asked again what the user has answered"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """As the next person might write it. Promise: an answer that was given is there."""

    prefix: str = "consent:"
    once: bool = False
    findings: tuple[FindingKind, ...] = (CONSENT_LOST,)

    def named(self, key: str) -> str:
        return f"the answer under {key}"

    def key(self, of: str) -> str:
        return keyed(self.prefix, of)

    def questions(self, key: str) -> tuple[Command, ...]:
        return (("GET", key),)

    def shown(self, replies: Sequence[Reply]) -> tuple[dict[str, str], int | None]:
        return ({} if replies[0] is None else {VALUE: str(replies[0])}), None

    def looked(self, saw: Mapping[str, str]) -> str | None:
        return saw.get(VALUE)

    def holds_until_us(self, past: Past) -> float | None:
        return float("inf") if any(one.certain for one in past.changes) else None

    def judge(self, past: Past) -> Sequence[Breach]:
        given = [one for one in past.changes if one.certain]
        return [
            Breach(kind=CONSENT_LOST, promise=given[0], looks=[look], says="did not find {it}")
            for look in past.looks
            if given and look.value is None and look.sent_us > given[0].done_us
        ]

    def calm(self, told: Told) -> Calm | None:
        return None


CONSENT = Consent()


class AskForConsent:
    """A recipe over the object: look, and write the answer down if there is none."""

    declaration = Declaration(name="ask-for-consent", help="ask the user once")
    kind = OperationKind.WRITE
    needs_session = True

    async def carry_out(self, request: Request) -> str:
        if await value_of(request, request.step_on(CONSENT, request.user, StepKind.LOOK)) is not None:
            return OK
        step = request.step_on(CONSENT, request.user, StepKind.PUT, deciding=True)
        return await put(request, step, "yes", 900, told=OK)


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The two lines, and what follows from them."""
    monkeypatch.setitem(OBJECTS, CONSENT.prefix, CONSENT)
    monkeypatch.setitem(table.FINDINGS, CONSENT_LOST.name, CONSENT_LOST)
    monkeypatch.setitem(BEHAVIOURS, AskForConsent.declaration.name, AskForConsent())


def test_new_object_is_known_by_its_key() -> None:
    """And by nothing else: a history names keys."""
    assert object_of(CONSENT.key("u1")) is CONSENT
    assert object_of("session:{u1}") is None
    assert AskForConsent.declaration.name in shipped().behaviours


def test_new_behaviour_leaves_steps_on_its_object() -> None:
    """The look, the change, and the object for the audit; nothing about the session."""

    def answer(command: list[str]) -> Answer:
        return {"GET": b"$-1\r\n", "PTTL": b":-2\r\n", "SET": b"+OK\r\n"}[command[0]]

    async def scenario() -> None:
        async with ScriptedServer(answer) as redis:
            bench = Bench(redis.port)
            request = await bench.carry_out("ask-for-consent")
            steps = [(one.does, one.key, one.session, one.outcome) for one in request.steps]
            assert steps == [
                (StepKind.LOOK, "consent:{u1}", None, Outcome.ACKED),
                (StepKind.PUT, "consent:{u1}", None, Outcome.ACKED),
            ]
            assert request.changed == ((CONSENT, "consent:{u1}"),)
            await bench.server.close()

    run(scenario)


def test_new_object_is_audited_as_it_says() -> None:
    """Its own questions, and what it makes of the replies; a refusal is no answer."""
    kept = KeptObject(CONSENT, CONSENT.key("u1"), 1)
    entry = ObjectEntry(pass_n=1, key=kept.key, node="redis-1", role="primary", sent_us=1, done_us=2)
    show(entry, kept, ["yes"])
    assert (entry.saw, entry.error) == ({VALUE: "yes"}, None)


@pytest.mark.parametrize("screened", [True, False])
@pytest.mark.parametrize("lost", [True, False])
def test_new_object_is_judged_by_its_model(screened: bool, lost: bool) -> None:
    """Its finding where its promise is broken, with who saw it, and nothing where it is kept."""
    past = stories_of.Past()
    ann = past.log_in("ann", 1.0)
    past.put(CONSENT, "ann", ann, 2.0)
    if lost:
        past.forget(CONSENT, "ann", 3.0)
    findings, counts, _, crashed = run_checks(past.history(), screened=screened)
    assert [(one.name, one.session, one.operations) for one in findings] == (
        [("consent-lost", ann, (2,))] if lost else []
    )
    assert counts["consent-lost"].high == lost
    assert not crashed
    if lost:
        assert findings[0].sentence.startswith(
            "The audit of redis-1 did not find the answer under consent:{ann}"
        )


HARNESS = Path(BEHAVIOURS["log-in"].carry_out.__code__.co_filename).parents[1]
COMMON = {str(word) for word in (*OperationKind, *StepKind)}
"""Names of behaviours that are words of the model as well."""
SPELLINGS = {HARNESS / "scenario" / "values.py", HARNESS / "model" / "guest.py"}
"""Know how people misspell, and what a guest file can say."""
WORDS = {("fields.py", "log-in"), ("lifetimes.py", "log-in")}
"""In a sentence about a session, for people."""


def test_no_behaviour_is_named_outside_its_module() -> None:
    """Nobody goes by a behaviour's name: what it is, it declares."""
    names = set(BEHAVIOURS) - COMMON - {AskForConsent.declaration.name}
    homes = {
        name: Path(one.carry_out.__code__.co_filename) for name, one in BEHAVIOURS.items() if name in names
    }
    named = [
        (str(path.relative_to(HARNESS)), node.value)
        for path in sorted(HARNESS.rglob("*.py"))
        if path not in SPELLINGS and any(f'"{name}"' in path.read_text() for name in names)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and node.value in names and path != homes[node.value]
        if (path.name, node.value) not in WORDS
    ]
    assert named == []


def test_every_object_can_be_told_apart() -> None:
    """No key belongs to two objects, or to a session."""
    prefixes = [*OBJECTS, *LEASES, *PREFIXES]
    assert len(set(prefixes)) == len(prefixes)
    assert not [(one, two) for one in prefixes for two in prefixes if one != two and one.startswith(two)]
