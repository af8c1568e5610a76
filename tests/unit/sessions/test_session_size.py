"""Sessions as large as an application's: what is stored, and what a reader makes of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from harness.redis_wire.ballast import BALLAST, ballast, without_ballast
from harness.redis_wire.scripted import ScriptedServer, array
from harness.sessions.log_in import chosen_size
from tests.unit.sessions.test_attempts import RULES, SESSION, Bench, pairs, run

LARGE = replace(RULES, session_sizes=((5000, 1.0),))


def test_log_in_stores_a_session_of_that_size() -> None:
    """In the same command as its fields; the history has the fields alone."""

    async def scenario() -> None:
        async with ScriptedServer(lambda _: b":1\r\n") as redis:
            bench = Bench(redis.port)
            request = await bench.carry_out("log-in", rules=LARGE)
            (stored,) = (one for one in redis.received if one[0] == "HSET")
            assert len(stored[stored.index(BALLAST) + 1]) == 5000
            assert BALLAST not in request.steps[0].wrote
            await bench.server.close()

    run(scenario)


def test_reader_sees_the_fields_alone() -> None:
    """What every session has says nothing about this one."""

    async def scenario() -> None:
        shown = array("sid", SESSION.id, "user_id", "u1", BALLAST, ballast(5000))
        async with ScriptedServer(pairs(shown)) as redis:
            bench = Bench(redis.port)
            (step,) = (await bench.carry_out("read", rules=LARGE)).steps
            assert step.saw == {"sid": SESSION.id, "user_id": "u1"}
            await bench.server.close()

    run(scenario)


def test_ballast_that_somebody_wrote_to_stays_to_be_found() -> None:
    """Cut short: it is no value that any operation wrote."""
    assert without_ballast({"sid": "s", BALLAST: ballast(9) + "X" * 99})[BALLAST] == ballast(9) + "X" * 31


@pytest.mark.parametrize("sizes", [((2000, 90.0), (50_000, 10.0)), ((2000, 0.0), (50_000, 1.0))])
def test_sizes_come_by_their_weights(sizes: tuple[tuple[int, float], ...]) -> None:
    """Over all that the dice can show."""
    counted = Counter(chosen_size(sizes, dice << 96) for dice in range(0x10000))
    total = sum(weight for _, weight in sizes)
    assert {size: round(0x10000 * weight / total) for size, weight in sizes if weight} == pytest.approx(
        counted, abs=1
    )
