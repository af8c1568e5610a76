"""The public session store on real servers: what each method guarantees, and what it costs where replicas are
away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import redis.asyncio
from redis.asyncio.cluster import RedisCluster

from failover_kit.session_store import Durable, LeaseTaken, NotReplicated, SessionStore
from tests.builders_sessions import PASSWORD, SERVER, Local, clustered, single, with_sentinel

pytestmark = [pytest.mark.process, pytest.mark.skipif(not SERVER, reason="no redis-server")]

Work = Callable[[SessionStore, "redis.asyncio.Redis"], Awaitable[None]]


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    with single(tmp_path_factory.mktemp("store")) as found:
        yield found


@pytest.fixture(params=[True, False], ids=["text", "bytes"])
def run(local: Local, request: pytest.FixtureRequest) -> Callable[..., None]:
    """With a client that decodes replies, and with one that does not."""

    def carried_out(
        work: Work,
        *,
        durable: Durable | None = None,
        idle_timeout_s: float = 60.0,
        absolute_timeout_s: float | None = None,
    ) -> None:
        async def scenario() -> None:
            port = local.nodes["redis-1"].port
            client = redis.asyncio.Redis(port=port, password=PASSWORD, decode_responses=request.param)
            await client.flushall()
            try:
                await work(
                    SessionStore(
                        client,
                        idle_timeout_s=idle_timeout_s,
                        absolute_timeout_s=absolute_timeout_s,
                        prefix="shop:",
                        durable=durable,
                    ),
                    client,
                )
            finally:
                await client.aclose()

        asyncio.run(scenario())

    return carried_out


def test_session_is_there_until_its_logout(run: Callable[..., None]) -> None:
    """With what it was made of, what was changed since, and a timeout all the time."""

    async def work(store: SessionStore, client: redis.asyncio.Redis) -> None:
        session = await store.log_in("ann", {"theme": "dark"})
        assert await store.change(session.id, {"theme": "light", "ip": "192.0.2.1"})
        seen = await store.touch(session.id)
        assert seen is not None
        assert (seen.user, seen.data) == ("ann", {"theme": "light", "ip": "192.0.2.1"})
        assert 0 < await client.pttl(f"shop:session:{{{session.id}}}") <= 60_000
        assert 0 < await client.pttl("shop:user:{ann}:sessions") <= 60_000
        await store.log_out(session)
        assert await store.read(session.id) is None
        assert await store.touch(session.id) is None
        assert await store.devices("ann") == []

    run(work)


def test_change_that_comes_after_the_logout_brings_nothing_back(run: Callable[..., None]) -> None:
    """Not a field, and not a key without a timeout; and nobody becomes somebody else."""

    async def work(store: SessionStore, client: redis.asyncio.Redis) -> None:
        session = await store.log_in("ann")
        await store.log_out(session)
        assert not await store.change(session.id, {"theme": "dark"})
        assert await client.keys("shop:session:*") == []
        with pytest.raises(ValueError, match="user_id"):
            await store.change(session.id, {"user_id": "bob"})

    run(work)


def test_logout_everywhere_reaches_a_session_that_slid_on(run: Callable[..., None]) -> None:
    """The list lasts as long as the session that was used last."""

    async def work(store: SessionStore, _client: redis.asyncio.Redis) -> None:
        phone, laptop = await store.log_in("ann"), await store.log_in("ann")
        other = await store.log_in("bob")
        while await store.read(laptop.id) is not None or await store.read(other.id) is not None:
            await asyncio.sleep(0.05)
            assert await store.touch(phone.id) is not None
        assert [one.id for one in await store.devices("ann")] == [phone.id]
        assert await store.log_out_everywhere("ann") == 1
        assert await store.read(phone.id) is None
        assert (await store.devices("bob")) == []  # idle for longer than its timeout
        assert await store.read(other.id) is None

    run(work, idle_timeout_s=0.8)


def test_session_ends_at_its_age_however_often_it_is_used(run: Callable[..., None]) -> None:
    """A touch gives it no more than what is left, and a new id no more either; Redis has it no longer."""

    async def work(store: SessionStore, client: redis.asyncio.Redis) -> None:
        old = await store.log_in("ann", {"theme": "dark"})
        assert old.ends_at is not None
        await asyncio.sleep(0.1)
        assert await store.touch(old.id) == old
        session = await store.rotate(old)
        assert session is not None
        assert (session.ends_at, session.data) == (old.ends_at, {"theme": "dark"})
        assert await store.touch(session.id) is not None
        key = f"shop:session:{{{session.id}}}"
        assert 0 < await client.pttl(key) <= 900
        await asyncio.sleep(old.ends_at - time.time() + 0.05)
        assert await store.touch(session.id) is None
        assert await store.rotate(session) is None
        async with asyncio.timeout(5):  # its time there began when the node was asked for it
            while await client.exists(key):  # noqa: ASYNC110  no event says it
                await asyncio.sleep(0.02)

    run(work, absolute_timeout_s=1.0)


def test_rotation_leaves_one_id_that_works(run: Callable[..., None]) -> None:
    """The new one, with the data; there is nothing to rotate where the session is gone."""

    async def work(store: SessionStore, _client: redis.asyncio.Redis) -> None:
        old = await store.log_in("ann", {"cart": "3"})
        new = await store.rotate(old)
        assert new is not None
        assert new.id != old.id
        assert (await store.read(new.id)) == new
        assert await store.read(old.id) is None
        assert [one.id for one in await store.devices("ann")] == [new.id]
        assert await store.rotate(old) is None

    run(work)


def test_guards_hold(run: Callable[..., None]) -> None:
    """Revoked, banned, spent and counted; each for its own time."""

    async def work(store: SessionStore, client: redis.asyncio.Redis) -> None:
        await store.revoke("t1", lives_s=60)
        assert await store.is_revoked("t1")
        assert not await store.is_revoked("t2")
        await store.ban("ann", not_before=1_000.5, lasts_s=60)
        assert not await store.accepts("ann", issued_at=1_000.4)
        assert await store.accepts("ann", issued_at=1_000.5)
        assert await store.accepts("bob", issued_at=0.0)
        assert [await store.spend("once", lives_s=60) for _ in range(2)] == [True, False]
        tries = [await store.may_try("ann", limit=2, window_s=60) for _ in range(4)]
        assert tries == [True, True, False, False]
        for key in ("revoked:{t1}", "not-before:{ann}", "spent:{once}", "attempts:{ann}"):
            assert 0 < await client.pttl(f"shop:{key}") <= 60_000, key

    run(work)


def test_ten_parallel_increments_under_the_lock_give_ten(run: Callable[..., None]) -> None:
    """One holder at a time, each with a higher fence than the one before."""

    async def work(store: SessionStore, _client: redis.asyncio.Redis) -> None:
        session, fences = await store.log_in("ann", {"visits": "0"}), []

        async def visit() -> None:
            async with store.lock(session.id, lease_s=5, within_s=10) as lease:
                fences.append(lease.fence)
                seen = await store.read(session.id)
                assert seen is not None
                await asyncio.sleep(0.005)
                assert lease.left_s > 0
                await store.change(session.id, {"visits": str(int(seen.data["visits"]) + 1)})

        await asyncio.gather(*(visit() for _ in range(10)))
        seen = await store.read(session.id)
        assert seen is not None
        assert seen.data["visits"] == "10"
        assert fences == sorted(set(fences))

    run(work)


def test_lease_is_renewed_and_given_back_by_its_holder_alone(run: Callable[..., None]) -> None:
    """Whoever comes meanwhile is told so; who has lost it cannot renew it, and takes nobody's away."""

    async def work(store: SessionStore, client: redis.asyncio.Redis) -> None:
        async with store.lock("job", lease_s=0.8) as lease:
            for _ in range(3):
                await asyncio.sleep(0.3)
                assert await lease.renew()
            with pytest.raises(LeaseTaken, match=r"shop:lock:\{job\}"):
                async with store.lock("job", within_s=0.05):
                    raise AssertionError("two holders")
            assert lease.left_s > 0
            await client.set("shop:lock:{job}", "somebody else's")
            assert not await lease.renew()
        assert await client.get("shop:lock:{job}") in {"somebody else's", b"somebody else's"}

    run(work)


@pytest.mark.parametrize("write", ["log_out", "revoke", "ban", "spend", "log_out_everywhere", "rotate"])
def test_durable_write_without_a_replica_says_that_it_may_be_undone(
    run: Callable[..., None], write: str
) -> None:
    """It was executed, and its caller knows how little that means."""

    async def work(store: SessionStore, _client: redis.asyncio.Redis) -> None:
        session = await store.log_in("ann")
        writes: dict[str, Callable[[], Awaitable[object]]] = {
            "log_out": lambda: store.log_out(session),
            "revoke": lambda: store.revoke("t", lives_s=60),
            "ban": lambda: store.ban("ann", not_before=1, lasts_s=60),
            "spend": lambda: store.spend("t", lives_s=60),
            "log_out_everywhere": lambda: store.log_out_everywhere("ann"),
            "rotate": lambda: store.rotate(session),
        }
        with pytest.raises(NotReplicated, match="0 of 1 replicas"):
            await writes[write]()
        if write in {"log_out", "log_out_everywhere", "rotate"}:
            assert await store.read(session.id) is None

    run(work, durable=Durable(replicas=1, within_s=0.02))


def test_durable_write_with_a_replica_is_on_it(tmp_path: Path) -> None:
    """As soon as the method has returned."""

    async def scenario(found: Local) -> None:
        first, second = (
            redis.asyncio.Redis(port=found.nodes[name].port, password=PASSWORD)
            for name in ("redis-1", "redis-2")
        )
        store = SessionStore(first, durable=Durable(replicas=1, within_s=5))
        await store.revoke("t", lives_s=60)
        assert await second.exists("revoked:{t}")
        await first.aclose()
        await second.aclose()

    with with_sentinel(tmp_path) as found:
        asyncio.run(scenario(found))


def test_cluster_client_is_served_and_cannot_wait(tmp_path: Path) -> None:
    """Each script touches one slot; WAIT has no connection of its write there."""

    async def scenario(found: Local) -> None:
        port = next(node.port for name, node in found.nodes.items() if name.startswith("redis"))
        client = RedisCluster(host="127.0.0.1", port=port, password=PASSWORD, decode_responses=True)
        with pytest.raises(ValueError, match="WAIT"):
            SessionStore(client, durable=Durable())
        store = SessionStore(client)
        session = await store.log_in("ann", {"theme": "dark"})
        assert await store.touch(session.id) == session
        async with store.lock(session.id) as lease:
            assert lease.fence == 1
        assert await store.rotate(session) is not None
        assert await store.log_out_everywhere("ann") == 1
        await client.aclose()

    with clustered(tmp_path) as found:
        asyncio.run(scenario(found))
