"""When an unanswered attempt is over, and what that decides; which node held a write at its end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.checks.facts.of_run import facts_of
from harness.checks.facts.request_ends import RequestEnds, told_open
from harness.checks.facts.timelines import Timelines
from harness.checks.judge import judge
from harness.checks.run import run_checks
from harness.model.history import History
from harness.model.records import Connection, ForensicEntry, ForensicReading, NodeSample, Unanswered
from harness.model.times import FOREVER
from lab.past import Past
from lab.records import us

SENT_S = 2.0


def closed(history: History, at: float | None, operation: int = 0) -> History:
    """The history, with the connection of that operation's first attempt proved gone at `at`."""
    number = history.operations[operation].attempts[0].connection
    assert number is not None
    return replace(
        history, unanswered=(Unanswered(connection=number, closed_us=None if at is None else us(at)),)
    )


def names(history: History) -> set[str]:
    return {one.name for one in run_checks(history)[0]}


# ---------------------------------------------------------------- what a closing decides


def delayed() -> History:
    """The first attempt of a log-in lay in a paused server's buffers; its sender hung up at 1.5, and the
    server executed it at 3.0 when it was resumed, after the logout."""
    past = Past()
    ann = past.log_in("ann", 1.0, attempts=[(1.0, 3.0, None), (1.5, 1.501, 1.502)])
    past.logout(ann, 2.0)
    past.read(ann, 4.0)
    return past.history()


def undone() -> History:
    """The same attempts, the first of them never executed; a failover undoes the logout."""
    past = Past()
    ann = past.log_in("ann", 1.0, attempts=[(1.0, None, None), (1.5, 1.501, 1.502)])
    past.cut_off("redis-2", 1.9)
    past.logout(ann, 2.0)
    past.fail_over("redis-2", 3.0)
    past.read(ann, 4.0)
    return past.history()


def test_attempt_executed_by_a_resumed_server_is_named_so_whether_closed_or_not() -> None:
    """A barrier after the resume leaves the user's own old log-in as the explanation."""
    assert names(delayed()) == {"undone-by-own-write"}
    assert names(closed(delayed(), 3.5)) == {"undone-by-own-write"}


def test_closing_at_the_sockets_end_would_accuse_the_server() -> None:
    """Why a closed socket is no proof: taken for one, it turns a late own write into a broken promise."""
    assert names(closed(delayed(), 1.5)) == {"resurrected-session"}


def test_proved_closing_decides_who_undid_a_logout() -> None:
    """An attempt that was over before the logout explains nothing; an open one might."""
    assert names(undone()) == {"undone-by-own-write"}
    assert names(closed(undone(), None)) == {"undone-by-own-write"}
    assert names(closed(undone(), 1.8)) == {"resurrected-session"}


def test_value_that_was_seen_closes_its_attempt() -> None:
    """Once read, a log-in without an answer is not executed again: the later logout was undone."""
    past = Past()
    ann = past.log_in("ann", 1.0, outcome="unknown", executed=1.2)
    past.read(ann, 1.5, web="web-2")
    past.cut_off("redis-2", 1.9)
    past.logout(ann, 2.0)
    past.fail_over("redis-2", 3.0)
    past.read(ann, 4.0)
    history = past.history()
    assert Timelines(history).sessions[ann].creations[0].until_us == us(1.5 + 0.001)
    assert "resurrected-session" in names(history)
    unseen = replace(history, operations=(history.operations[0], *history.operations[2:]))
    assert "resurrected-session" not in names(unseen)


def test_value_of_two_unanswered_attempts_closes_neither() -> None:
    """Nobody can tell which of them was seen."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0, attempts=[(2.0, 2.1, None), (2.5, None, None)], outcome="unknown")
    past.read(ann, 4.0)
    (write,) = Timelines(past.history()).sessions[ann].writes
    assert write.extra == 2
    assert write.until_us == FOREVER


# ---------------------------------------------------------------- the proofs


def sample(at: float, role: str, *, link_up: bool | None = None, run_id: str = "one") -> NodeSample:
    return NodeSample(
        node="redis-1", sent_us=us(at), done_us=us(at), role=role, link_up=link_up, run_id=run_id
    )


def request_ends(*samples: NodeSample, told: tuple[Unanswered, ...] = (), **changes: Any) -> RequestEnds:
    connection = Connection(id=7, web_server="web-1", node="redis-1", run_id="one", opened_us=0)
    history = replace(
        Past().history(),
        connections=(connection,),
        samples=samples,
        unanswered=told,
        **changes,  # fields of History
    )
    return facts_of(history).request_ends


def over_s(found: RequestEnds) -> float:
    return found.over_us(7, us(SENT_S)) / 1e6


@pytest.mark.parametrize(
    ("proof", "samples", "over"),
    [
        ("none", (sample(1, "primary"), sample(5, "primary")), FOREVER),
        ("its process was gone", (sample(1, "primary"), sample(5, "primary", run_id="two")), 5.0),
        (
            "it followed another from then on",
            (sample(1, "primary"), sample(3, "replica", link_up=False), sample(4, "replica", link_up=True)),
            4.0,
        ),
        (
            "it followed, and was promoted again",
            (sample(1, "primary"), sample(4, "replica", link_up=True), sample(6, "primary")),
            FOREVER,
        ),
        ("it was a replica all along", (sample(1, "replica", link_up=True),), SENT_S),
    ],
)
def test_nodes_themselves_prove_an_attempt_over(
    proof: str, samples: tuple[NodeSample, ...], over: float
) -> None:
    """A new process; a replica that stays one, which refuses writes."""
    assert over_s(request_ends(*samples)) == pytest.approx(over), proof


def test_earliest_proof_counts() -> None:
    """Told at 3 by the node's list of clients, before its process was seen gone."""
    told = (Unanswered(connection=7, closed_us=us(3), closed_by="not listed"),)
    samples = (sample(1, "primary"), sample(5, "primary", run_id="two"))
    assert over_s(request_ends(*samples, told=told)) == pytest.approx(3.0)


def test_history_that_breaks_off_does_not_prove_that_a_replica_stayed_one() -> None:
    """It may have been promoted right after."""
    samples = (sample(1, "primary"), sample(4, "replica", link_up=True))
    assert over_s(request_ends(*samples, incomplete="killed")) == FOREVER


@pytest.mark.parametrize("name", ["replica-read-only", "slave-read-only"])
@pytest.mark.parametrize("where", ["redis", "replica", "primary"])
@pytest.mark.parametrize(("said", "over"), [("no", FOREVER), ("NO", FOREVER), ("yes", 4.0)])
def test_replica_that_takes_writes_proves_no_attempt_over(
    name: str, where: str, said: str, over: float
) -> None:
    """By either name of the directive, wherever the scenario writes it."""
    plan = Past().plan()
    deployment = plan.scenario.deployment
    topology = replace(deployment.topology, **{where: {name: said}})  # type: ignore[arg-type]
    scenario = replace(plan.scenario, deployment=replace(deployment, topology=topology))
    samples = (sample(1, "primary"), sample(4, "replica", link_up=True))
    assert over_s(request_ends(*samples, plan=replace(plan, scenario=scenario))) == over


def test_open_attempts_are_listed_with_the_reason() -> None:
    """But not those that something else proves to be over."""
    told = (Unanswered(connection=7, closed_by="redis-1 still lists 10.0.0.1:4"),)
    ((connection, why),) = request_ends(sample(1, "primary"), told=told).open()
    assert (connection.id, why) == (7, "redis-1 still lists 10.0.0.1:4")
    assert request_ends(sample(1, "primary"), sample(5, "primary", run_id="two"), told=told).open() == []


@pytest.mark.parametrize("at", [None, 1.8])
def test_page_says_how_many_attempts_stayed_open(at: float | None) -> None:
    """Only where there are any."""
    evidence = judge(closed(undone(), at)).evidence
    told = [one for one in evidence if "1 unanswered attempt got no reply and may have executed" in one]
    assert len(told) == (at is None)


# ---------------------------------------------------------------- last looks


def look(reading: int, node: str, at: float, *witnesses: str) -> ForensicEntry:
    return ForensicEntry(
        reading=reading,
        session="s",
        node=node,
        sent_us=us(at),
        done_us=us(at + 0.01),
        saw={},
        witnesses=witnesses,
    )


def test_whereabouts_of_a_write_come_from_looks_after_its_ack() -> None:
    """Who had it; and who, asked after it was acked, had not. Earlier absence says nothing."""
    entries = (look(2, "redis-2", 4.0, "1"), look(1, "redis-1", 3.0, "1", "5"), look(3, "redis-1", 1.0, "1"))
    readings = (ForensicReading(n=1, node="redis-1", moment="demoted", sent_us=0, done_us=0),)
    timelines = Timelines(replace(Past().history(), forensics=entries, readings=readings))
    assert [one.reading for one in timelines.forensics("s")] == [3, 1, 2]
    assert timelines.forensics("nobody") == ()
    found = timelines.last_looks.whereabouts("s", "5", us(2.0))
    assert found.nodes == ("redis-1",)
    assert [one.node for one in found.lacked] == ["redis-2"]
    assert timelines.last_looks.moment(found.held[0]) == "demoted"


# ---------------------------------------------------------------- each proof on its edge


def test_replica_that_stays_one_ends_what_was_sent_to_it_at_once() -> None:
    """Since it followed, but not before the attempt was sent; a look that nobody answered changes nothing."""
    followed = (
        sample(1, "primary"),
        sample(1.5, "replica", link_up=True),
        sample(4, "replica", link_up=True),
    )
    assert over_s(request_ends(*followed)) == SENT_S
    silent = sample(6, "primary")
    silent.reachable = False
    assert over_s(request_ends(*followed, silent)) == SENT_S
    later = (sample(1, "primary"), sample(SENT_S + 1, "replica", link_up=True))
    assert over_s(request_ends(*later)) == SENT_S + 1


def test_replica_that_takes_writes_ends_nothing() -> None:
    """`replica-read-only no`, under either name, on whichever nodes."""
    samples = (sample(1, "primary"), sample(4, "replica", link_up=True))
    plan = Past().history().plan
    for part in ("redis", "replica", "primary"):
        for name in ("replica-read-only", "slave-read-only"):
            for value, over in (("no", FOREVER), ("NO", FOREVER), ("yes", 4.0)):
                deployment = plan.scenario.deployment
                topology = replace(deployment.topology, **{part: {name: value}})  # type: ignore[arg-type]
                scenario = replace(plan.scenario, deployment=replace(deployment, topology=topology))
                found = request_ends(*samples, plan=replace(plan, scenario=scenario))
                assert over_s(found) == over, (part, name, value)


def test_replica_that_a_fault_told_to_take_writes_ends_nothing() -> None:
    """However short that was."""
    for value, over in (("no", FOREVER), ("yes", 4.0)):
        past = Past()
        past.fault(2.0, "redis-2: set", "config set", directive="slave-read-only", value=value)
        past.event("healed", 3.0, source="fault 1", fault=1, node="redis-2")
        told = past.history()
        samples = (sample(1, "primary"), sample(4, "replica", link_up=True))
        assert over_s(request_ends(*samples, plan=told.plan, events=told.events)) == over


def test_attempt_over_a_connection_that_nobody_knows_is_open() -> None:
    """Nothing can be proved of it."""
    found = request_ends(sample(1, "primary"), sample(5, "primary", run_id="two"))
    assert found.over_us(8, us(SENT_S)) == FOREVER
    assert found.over_us(None, us(SENT_S)) == FOREVER


def test_connection_that_names_no_process_led_to_any_that_may_have_run() -> None:
    """Between two samples nobody knows which of both processes it was: the last of them has to be gone."""
    nameless = Connection(id=7, web_server="web-1", node="redis-1", run_id="", opened_us=0)
    history = replace(
        Past().history(),
        connections=(nameless,),
        samples=(
            sample(1, "primary"),
            sample(5, "primary", run_id="two"),
            sample(6, "primary", run_id="three"),
        ),
    )
    found = facts_of(history).request_ends
    assert [found.over_us(7, us(at)) for at in (0.5, 2, 5.5)] == [us(5), us(6), FOREVER]


def test_open_attempts_are_counted_in_words() -> None:
    """One is one; those that were closed are none, and so is one over a connection that nobody knows."""
    history = replace(
        Past().history(),
        connections=tuple(
            Connection(id=n, web_server="web-1", node="redis-1", run_id="one", opened_us=0) for n in (7, 8)
        ),
        samples=(sample(1, "primary"),),
    )

    def said(*told: Unanswered) -> str:
        return told_open(facts_of(replace(history, unanswered=told)).request_ends)

    seven, eight = (Unanswered(connection=n, closed_by="still listed") for n in (7, 8))
    end = "got no reply and may have executed at any time before the run ended: still listed"
    assert said() == ""
    assert said(Unanswered(connection=7, closed_us=us(3))) == ""
    assert said(Unanswered(connection=99)) == ""
    assert said(seven) == f"1 unanswered attempt {end}"
    assert said(seven, eight) == f"2 unanswered attempts {end}"
    assert said(seven, Unanswered(connection=8, closed_us=us(3))) == f"1 unanswered attempt {end}"
