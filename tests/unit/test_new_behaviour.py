"""A behaviour is added in one place: this one exists nowhere else, and every stage treats it as what it does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from harness.checks.facts.of_run import facts_of
from harness.checks.judge import judge
from harness.checks.measures.summary import measure
from harness.checks.run import run_checks
from harness.errors import UsageError
from harness.model.history import History
from harness.model.scenario import Declaration, Option, OptionType
from harness.model.words import OperationKind, Outcome, StepKind
from harness.redis_wire.scripted import Answer, ScriptedServer
from harness.running.vocabulary import schema_text, shipped
from harness.scenario import load
from harness.sessions import BEHAVIOURS
from harness.sessions.logout import note_deleted
from harness.sessions.read import read_back
from harness.sessions.request import SIGNED_OUT, Request, told_by
from lab.past import Past
from tests.unit.checks import stories
from tests.unit.sessions.test_attempts import WHOLE, Bench, run

NAME = "say-goodbye"


class SayGoodbye:
    """As the next person might write it: look who it is, and log them out. Promise: they are out."""

    declaration = Declaration(
        name=NAME,
        help="read the session, then delete it",
        options=(Option(name="look", type=OptionType.FLAG, help="whether to read it first", default=True),),
    )
    kind = OperationKind.LOGOUT
    needs_session = True

    async def carry_out(self, request: Request) -> str:
        if request.options.get("look", True):
            await read_back(request, deciding=False)
        step = request.step(StepKind.DESTROY, request.session.key, deciding=True)
        note_deleted(request, step, await request.alone(step, ("DEL", step.key)))
        return SIGNED_OUT if step.outcome is Outcome.ACKED else told_by(step.outcome)


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one line in the table of behaviours."""
    monkeypatch.setitem(BEHAVIOURS, NAME, SayGoodbye())


def scenario_text(folder: Path, workload: str, expected: str = "lost-session: 0") -> Path:
    path = folder / "s.yaml"
    path.write_text(
        "scenario: 1\n"
        "name: goodbye\n"
        "deployment: {topology: {kind: sentinel}}\n"
        f"workload: {{rate: 100/s, {workload}}}\n"
        "faults: [{after: 5s, kill: primary}]\n"
        f"expect: {{{expected}}}\n"
    )
    return path


def test_new_behaviour_is_read_with_its_options(tmp_path: Path) -> None:
    """In the mix, with what it may be told, and in the schema for editors."""
    read = load(
        scenario_text(tmp_path, f"mix: {{{NAME}: 2}}, options: {{{NAME}: {{look: false}}}}"), shipped()
    )
    assert (read.workload.mix, read.workload.options) == ({NAME: 2.0}, {NAME: {"look": False}})
    assert NAME in schema_text()


def test_new_behaviour_can_be_expected_where_somebody_does_it(tmp_path: Path) -> None:
    """Its outcomes are counted by its name; where it is not in the mix none of them can be."""
    expected = f"rejected({NAME}): 0"
    load(scenario_text(tmp_path, f"mix: {{{NAME}: 1}}", expected), shipped())
    with pytest.raises(UsageError, match="not in the workload's mix"):
        load(scenario_text(tmp_path, "mix: {read: 1}", expected), shipped())


def test_new_behaviour_leaves_its_steps() -> None:
    """Each command is a step with an outcome of its own; the one that decides is marked."""

    def answer(command: list[str]) -> Answer:
        return {"HGETALL": WHOLE, "PTTL": b":5000\r\n", "DEL": b":1\r\n"}[command[0]]

    async def scenario() -> None:
        async with ScriptedServer(answer) as redis:
            bench = Bench(redis.port)
            request = await bench.carry_out(NAME)
            steps = [(one.does, one.outcome, one.effective, one.deciding) for one in request.steps]
            assert steps == [
                (StepKind.READ, Outcome.ACKED, None, False),
                (StepKind.DESTROY, Outcome.ACKED, True, True),
            ]
            assert bench.told == SIGNED_OUT
            await bench.server.close()

    run(scenario)


def by_another_name(past: Past, name: str) -> History:
    """The same history, with this logout done by the new behaviour."""
    history = past.history()
    told = [
        msgspec.structs.replace(one, behaviour=NAME) if one.behaviour == name else one
        for one in history.operations
    ]
    assert told != list(history.operations)
    return replace(history, operations=tuple(told))


@pytest.mark.parametrize(
    ("story", "done", "found"),
    [
        (stories.resurrected, "logout", "resurrected-session"),
        (stories.escaped_not_listed, "logout-everywhere", "escaped-logout"),
    ],
)
def test_new_behaviour_is_judged_by_what_it_did(story: stories.Story, done: str, found: str) -> None:
    """A logout is a logout by its steps, whatever it is called: also to the screen."""
    history = by_another_name(story(), done)
    for screened in (True, False):
        names = {one.name for one in run_checks(history, screened=screened)[0]}
        assert names == {found} | stories.ALSO.get(story, set())


def test_new_behaviour_is_counted_by_its_name() -> None:
    """In the metrics, and so in the table and on the page."""
    history = by_another_name(stories.resurrected(), "logout")
    findings, _, sessions, _ = run_checks(history)
    metrics = measure(facts_of(history), findings, sessions)
    assert metrics.by_behaviour[NAME] == {"acked": 1, "rejected": 0, "unknown": 0, "not_sent": 0}
    assert judge(history).findings
