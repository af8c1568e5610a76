"""A session store for applications and tests: log-ins, guards and leases in Redis, written the right way.

    store = SessionStore(redis.asyncio.Redis(...), idle_timeout_s=900)
    session = await store.log_in("ann", {"theme": "dark"})
    if (await store.touch(session.id)) is None:
        ...  # please log in

Every method says which commands it sends, what is guaranteed once it has returned, and what a failover can
still undo. `docs/doing-it-right.md` has the scenarios that prove it. An exception of the client library means
that Redis refused or did not answer; whoever guards something should refuse then.

`durable=Durable(replicas=1)` follows the writes whose loss lets somebody in (logout, revocation, ban, spent
token) with a WAIT on the same connection, and raises `NotReplicated` where too few replicas confirmed. It
makes the loss rarer: a failover may still promote a replica that has not got the write.

Works with redis-py's asyncio clients, also those of Sentinel and Cluster (there without `durable`). What
belongs to one session or one user shares a hash tag, so that each script touches one slot only.

Traps: this is loaded into applications that may have a package `harness` of their own, so nothing of the kit
is imported here. And redis-py repeats commands whose answer was lost: `spend` and `may_try` are then counted
twice, which refuses somebody who might come in, and never the other way round.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster

CREATE = """\
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
redis.call('PEXPIRE', KEYS[1], ARGV[1])"""
"""In one script, so that no session is there without a timeout."""

CHANGE = """\
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV))
return 1"""
"""A bare HSET would bring a piece of a session back that was logged out or lost, without a timeout."""

COUNT = """\
local total = redis.call('INCR', KEYS[1])
if total == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return total"""
"""In one script, so that no counter stays for ever where the client dies in between."""

ACQUIRE = """\
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 0 end
return redis.call('INCR', KEYS[2])"""
"""The lease, and a number that grows with every holder."""

RENEW = """\
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0"""

RELEASE = """\
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0"""
"""Compare and delete: after the lease has ended the key may be somebody else's."""

OWNER, ENDS = "user_id", "ends_at"
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.02, 0.32


class NotReplicated(Exception):
    """The write was executed, and fewer replicas than asked for have confirmed it."""


class LeaseTaken(Exception):
    """Somebody else held the lease for as long as was waited."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Durable:
    """How many replicas must confirm a write whose loss lets somebody in, and how long to wait for them."""

    replicas: int = 1
    within_s: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    id: str
    user: str
    data: Mapping[str, str]
    ends_at: float | None = None
    """Unix time, in seconds, at which it is over however often it is used; None: at none."""


class Lease:
    """A lease that is held. Work for as long as `left_s` is positive, and let the protected data refuse a
    `fence` lower than the highest that it has seen."""

    def __init__(self, store: SessionStore, keys: tuple[str, str], *, lasts_s: float) -> None:
        self.fence = 0
        """Grows with every holder. A failover that loses the lease can lose the number, too."""
        self._store, self._keys, self._lasts_s = store, keys, lasts_s
        self._token = secrets.token_hex(16)
        self._ends_s = 0.0

    @property
    def left_s(self) -> float:
        """By this process's own clock, counted from before the lease was asked for: never too long."""
        return self._ends_s - asyncio.get_running_loop().time()

    async def renew(self) -> bool:
        """`EVAL` of `GET` and `PEXPIRE`: lasts anew, if it is still one's own. False: stop working."""
        asked_s = asyncio.get_running_loop().time()
        lasts_ms = milliseconds(self._lasts_s)
        if not await self._store.script(RENEW, self._keys[:1], self._token, str(lasts_ms)):
            return False
        self._ends_s = asked_s + self._lasts_s
        return True

    async def _take(self, within_s: float) -> None:
        loop, pause_s = asyncio.get_running_loop(), FIRST_PAUSE_S
        until_s = loop.time() + within_s
        while True:
            asked_s = loop.time()
            lasts_ms = str(milliseconds(self._lasts_s))
            fence = await self._store.script(ACQUIRE, self._keys, self._token, lasts_ms)
            if fence:
                self.fence, self._ends_s = int(fence), asked_s + self._lasts_s
                return
            if loop.time() + pause_s > until_s:
                raise LeaseTaken(f"{self._keys[0]} is held by somebody else")
            await asyncio.sleep(pause_s * (0.5 + secrets.randbelow(1024) / 1024))
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _give_back(self) -> None:
        await self._store.script(RELEASE, self._keys[:1], self._token)


class SessionStore:
    """Keys: `session:{ID}` (hash), `user:{USER}:sessions` (set), `revoked:{TOKEN}`, `not-before:{USER}`,
    `spent:{TOKEN}`, `attempts:{USER}`, `lock:{NAME}` and `fence:{NAME}`, each behind `prefix`."""

    def __init__(
        self,
        client: Redis | RedisCluster,
        *,
        idle_timeout_s: float = 900.0,
        absolute_timeout_s: float | None = None,
        prefix: str = "",
        durable: Durable | None = None,
    ) -> None:
        if durable is not None and isinstance(client, RedisCluster):
            raise ValueError("durable: a cluster client cannot send WAIT on the connection of the write")
        self._client: Any = client
        self._idle_ms = milliseconds(idle_timeout_s)
        self._absolute_s = absolute_timeout_s
        self._prefix = prefix
        self._durable = durable

    # ------------------------------------------------------------------ sessions

    async def log_in(self, user: str, data: Mapping[str, str] | None = None) -> Session:
        """`EVAL` of `HSET` and `PEXPIRE`, then `SADD` `PEXPIRE` of the user's list.

        Guaranteed: a fresh random id, and never a session without a timeout. The list lasts as long as the
        session at the least. With `absolute_timeout_s` the session says itself when it is over, by the clock
        of this machine. A failover can lose a log-in that no replica had; the user logs in again.
        """
        own = dict(data or {})
        _refuse_own_fields(own)
        ends_at = None if self._absolute_s is None else time.time() + self._absolute_s
        session = Session(id=secrets.token_hex(32), user=user, data=own, ends_at=ends_at)
        await self._store(session)
        return session

    async def read(self, session_id: str) -> Session | None:
        """`HGETALL`. None: there is no such session, or only a piece of one, or it is over by its age: please
        log in.

        Read from the primary: a replica may not have the session yet, or may still have it after a logout.
        """
        return self._session(session_id, await self._client.hgetall(self._session_key(session_id)))

    async def touch(self, session_id: str) -> Session | None:
        """`HGETALL` `PEXPIRE` in one plain pipeline, then `PEXPIRE` of the user's list. With
        `absolute_timeout_s` one after the other, and no more than what is left of the session's age.

        Guaranteed: alive for another idle timeout, and the user's list with it. Not in `MULTI`: before Redis
        7.2 a full instance refuses even reads in there. A failover can lose the last touches, and so end the
        session earlier.
        """
        key = self._session_key(session_id)
        session, touched = None, None
        if self._absolute_s is None:
            fields, touched = await self._together(("HGETALL", key), ("PEXPIRE", key, self._idle_ms))
            session = self._session(session_id, fields)
        elif session := await self.read(session_id):
            touched = await self._client.execute_command("PEXPIRE", key, self._left_ms(session))
        if session is None or not touched:
            return None
        await self._client.execute_command("PEXPIRE", self._list_key(session.user), self._idle_ms)
        return session

    async def change(self, session_id: str, fields: Mapping[str, str]) -> bool:
        """`EVAL` of `EXISTS` and `HSET`. False: the session was gone, and nothing was written.

        Guaranteed: a request that overlaps a logout does not write the session back, and fields that are not
        named stay as others wrote them. A failover can lose the change.
        """
        _refuse_own_fields(fields)
        if not fields:
            raise ValueError("fields: expected at least one field to write, found none")
        flat = [text for pair in fields.items() for text in pair]
        return bool(await self.script(CHANGE, (self._session_key(session_id),), *flat))

    async def log_out(self, session: Session) -> None:
        """`DEL` (with `durable`: `WAIT`), then `SREM` from the user's list. `DEL` works on a full instance.

        Guaranteed: the id does not work again on this primary. A failover can undo a logout that no replica
        had: use `durable`.
        """
        await self._write(("DEL", self._session_key(session.id)))
        await self._client.srem(self._list_key(session.user), session.id)

    async def log_out_everywhere(self, user: str) -> int:
        """`SMEMBERS`, `DEL` of each (with `durable`: `WAIT`), `SREM` of what was listed.

        Returns how many were listed. Guaranteed: none of the sessions whose log-in had returned before works
        again. Not `DEL` of the list, which would forget a log-in that came in between. A failover can undo
        any of the deletes, and on Cluster each shard by itself: `ban` closes that gap.
        """
        listed = sorted(_text(one) for one in await self._client.smembers(self._list_key(user)))
        for session_id in listed:
            await self._write(("DEL", self._session_key(session_id)))
        if listed:
            await self._client.srem(self._list_key(user), *listed)
        return len(listed)

    async def devices(self, user: str) -> list[Session]:
        """`SMEMBERS`, `HGETALL` of each, `SREM` of those that have ended: "my devices" for a user."""
        found, ended = [], []
        for session_id in sorted(_text(one) for one in await self._client.smembers(self._list_key(user))):
            session = await self.read(session_id)
            if session is None or session.user != user:
                ended.append(session_id)
            else:
                found.append(session)
        if ended:
            await self._client.srem(self._list_key(user), *ended)
        return found

    async def rotate(self, session: Session) -> Session | None:
        """`HGETALL`, a new session with the same data, `DEL` of the old one (with `durable`: `WAIT`).

        Against session fixation: at log-in and at every change of privilege. None: there was nothing to copy.
        The new session is as old as the old one.
        A failover can bring the old id back.
        """
        old = await self.read(session.id)
        if old is None:
            return None
        new = Session(id=secrets.token_hex(32), user=old.user, data=old.data, ends_at=old.ends_at)
        await self._store(new)
        await self._write(("DEL", self._session_key(old.id)))
        await self._client.srem(self._list_key(old.user), old.id)
        return new

    # ------------------------------------------------------------------ guards

    async def revoke(self, token: str, *, lives_s: float) -> None:
        """`SET revoked:{TOKEN} ... PX` (with `durable`: `WAIT`). `lives_s`: what is left of the token's life.

        Guaranteed: refused until it would have expired. A failover, or an eviction, can forget it; and it is
        refused on a full instance, where `DEL` works.
        """
        await self._write(("SET", self._key("revoked:", token), "1", "PX", milliseconds(lives_s)))

    async def is_revoked(self, token: str) -> bool:
        """`EXISTS`, on every request, at the primary."""
        return bool(await self._client.exists(self._key("revoked:", token)))

    async def ban(self, user: str, *, not_before: float, lasts_s: float) -> None:
        """`SET not-before:{USER} ... PX` (with `durable`: `WAIT`). Whatever was issued before is refused.

        `lasts_s`: the life of the longest-lived token. Covers tokens and sessions that no list names.
        """
        await self._write(
            ("SET", self._key("not-before:", user), repr(float(not_before)), "PX", milliseconds(lasts_s))
        )

    async def accepts(self, user: str, *, issued_at: float) -> bool:
        """`GET`: whether what was issued at that time is not older than the user's ban."""
        not_before = await self._client.get(self._key("not-before:", user))
        return not_before is None or issued_at >= float(_text(not_before))

    async def may_try(self, user: str, *, limit: int, window_s: float) -> bool:
        """`EVAL` of `INCR`, with `PEXPIRE` for the first of a window. Ask before the password is looked at.

        Guaranteed: no more than `limit` tries in a window. A failover, or an eviction, can forget what was
        counted. Do not send it again if no answer came: it would count twice.
        """
        counted = await self.script(COUNT, (self._key("attempts:", user),), str(milliseconds(window_s)))
        return int(counted) <= limit

    async def spend(self, token: str, *, lives_s: float) -> bool:
        """`SET spent:{TOKEN} ... NX PX` (with `durable`: `WAIT`). True for the first who comes with it.

        For one-time tokens ("remember me", password reset). `lives_s`: the life of the token. A failover can
        forget the use. Do not send it again if no answer came: the second answer would be False, by oneself.
        """
        command = ("SET", self._key("spent:", token), "1", "NX", "PX", milliseconds(lives_s))
        return await self._write(command) is not None

    # ------------------------------------------------------------------ leases

    @asynccontextmanager
    async def lock(self, name: str, *, lease_s: float = 10.0, within_s: float = 1.0) -> AsyncIterator[Lease]:
        """`SET ... NX PX` by a token and `INCR` of its fence, in one script; released by compare-and-delete.

        For the lock of a session and for the lead of a job. `LeaseTaken`: somebody else has it after
        `within_s`. Guaranteed: at most one holder, while nothing fails over and everybody looks at `left_s`.
        A failover can give it to a second one: only the fence, checked by the protected data, keeps that out.
        """
        lease = Lease(self, (self._key("lock:", name), self._key("fence:", name)), lasts_s=lease_s)
        try:
            await lease._take(within_s)  # noqa: SLF001 - the lease's other half
            yield lease
        finally:
            await lease._give_back()  # noqa: SLF001 - also where the answer was lost: it may be one's own

    # ------------------------------------------------------------------ commands

    async def script(self, script: str, keys: tuple[str, ...], *arguments: str) -> Any:
        """`EVAL` on keys of one slot."""
        return await self._client.eval(script, len(keys), *keys, *arguments)

    async def _store(self, session: Session) -> None:
        key, listed = self._session_key(session.id), self._list_key(session.user)
        fields = {**session.data, OWNER: session.user}
        if session.ends_at is not None:
            fields[ENDS] = repr(session.ends_at)
        flat = [text for pair in fields.items() for text in pair]
        await self.script(CREATE, (key,), str(self._left_ms(session)), *flat)
        await self._together(("SADD", listed, session.id), ("PEXPIRE", listed, self._idle_ms))

    async def _write(self, command: tuple[Any, ...]) -> Any:
        """A write whose loss lets somebody in."""
        durable = self._durable
        if durable is None:
            return await self._client.execute_command(*command)
        wait = ("WAIT", durable.replicas, milliseconds(durable.within_s))
        reply, confirmed = await self._together(command, wait)
        if int(confirmed) < durable.replicas:
            raise NotReplicated(
                f"{command[0]} was executed, and {confirmed} of {durable.replicas} replicas confirmed it"
                f" within {durable.within_s:g} s: a failover may undo it. Do it again, or tell the user."
            )
        return reply

    async def _together(self, *commands: tuple[Any, ...]) -> list[Any]:
        """On one connection, in one round trip."""
        pipeline = self._client.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        found: list[Any] = await pipeline.execute()
        return found

    def _session(self, session_id: str, fields: Any) -> Session | None:
        pairs = zip(fields[::2], fields[1::2], strict=True) if isinstance(fields, list) else fields.items()
        data = {_text(name): _text(value) for name, value in pairs}
        user = data.pop(OWNER, None)
        ends_at = float(data.pop(ENDS)) if ENDS in data else None
        if user is None or (ends_at is not None and ends_at <= time.time()):
            return None
        return Session(id=session_id, user=user, data=data, ends_at=ends_at)

    def _left_ms(self, session: Session) -> int:
        if session.ends_at is None:
            return self._idle_ms
        return min(self._idle_ms, milliseconds(session.ends_at - time.time()))

    def _session_key(self, session_id: str) -> str:
        return self._key("session:", session_id)

    def _list_key(self, user: str) -> str:
        return f"{self._key('user:', user)}:sessions"

    def _key(self, kind: str, of: str) -> str:
        """What belongs to one session, user or name lies in one slot of a cluster."""
        return f"{self._prefix}{kind}{{{of}}}"


def milliseconds(duration_s: float) -> int:
    """As `PX` takes them: one at the least."""
    return max(1, round(duration_s * 1000))


def _refuse_own_fields(fields: Mapping[str, str]) -> None:
    own = next((name for name in (OWNER, ENDS) if name in fields), None)
    if own is not None:
        raise ValueError(f"{own}: only the store writes this field; give yours another name")


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
