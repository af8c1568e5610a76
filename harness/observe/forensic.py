"""Reads a node that is about to lose what it holds: the only proof of where a lost write lived.

A deposed primary throws its data away when it follows the new one; before that only it can say which
acknowledged writes it had. Faults call `last_look` before they heal or restart something, the
observers when somebody else was promoted or a primary was told to follow. The questions are the
audit's; the answers are records of their own, since the load goes on meanwhile.

Works in the thread that calls it, in a loop of its own, so that the load's loop does not wait; never
longer than `WITHIN_S` per call. What was not read by then is missing, and the reading says so.

Traps: a paused node cannot answer, so it is read as soon as it runs again. A node that follows somebody
may show that one's data already, so each batch counts only if afterwards it still had no link to a
primary. And a cluster node that lost its majority refuses reads, so it is told to answer them for the
length of one write, which it carries out without serving anybody else in between.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from harness.model.records import Event, ForensicEntry, ForensicReading
from harness.model.words import NodePurpose
from harness.observe.audit import BATCH, AuditedSession, ask_batch, batches, fill
from harness.observe.context import ObserverContext
from harness.observe.topology_view import clustered
from harness.redis_wire import info
from harness.redis_wire.asynchronous import AsyncConnection
from harness.redis_wire.protocol import ErrorReply, NoAnswer

WITHIN_S = 2.0
"""A few hundred sessions take some 50 ms."""

READS_WHEN_DOWN = "cluster-allow-reads-when-down"
_ANSWER_ALL_THE_SAME = ("CONFIG", "SET", READS_WHEN_DOWN, "yes")
_REFUSE_AGAIN = ("CONFIG", "SET", READS_WHEN_DOWN, "no")
IN_ONE_WRITE = 35
"""Sessions whose questions fit into the 16 KiB that Redis reads from a client at once: what lies in
one such piece is carried out before anybody else is served."""


class _TakenOver(Exception):
    """By whom."""


class Forensics:
    """`sessions`: every session made so far; asked from any thread."""

    def __init__(self, context: ObserverContext, sessions: Callable[[], Sequence[AuditedSession]]) -> None:
        self._context = context
        self._sessions = sessions
        self._cluster = clustered(context.plan)
        self._witnesses = context.plan.scenario.workload.witnesses
        self._keepers = {
            node.name for node in context.plan.data_nodes() if node.purpose is NodePurpose.SESSIONS
        }
        self._numbers = itertools.count(1)

    def last_look(self, nodes: Iterable[str], moment: str) -> None:
        """Record what these nodes hold now. Those that hold no sessions are left out.

        Blocks for at most about `WITHIN_S` seconds; not to be called where an event loop runs.
        """
        asked = [node for node in nodes if node in self._keepers]
        if asked:
            asyncio.run(self._read_all(asked, moment))

    async def _read_all(self, nodes: Sequence[str], moment: str) -> None:
        await asyncio.gather(*(self._read(node, moment) for node in nodes))

    async def _read(self, node: str, moment: str) -> None:
        shard = self._context.shard(node)
        # The newest first: if time runs out, most is known of those made since the trouble began.
        theirs = [one for one in reversed(self._sessions()) if one.shard == shard]
        now_us = self._context.clock.now_us()
        reading = ForensicReading(
            n=next(self._numbers), node=node, moment=moment, sent_us=now_us, done_us=now_us, of=len(theirs)
        )
        connection, down = self._context.connection(node), False
        try:
            async with asyncio.timeout(WITHIN_S):
                await self._identify(connection, reading)
                down = self._cluster and await self._is_down(connection, node)
                for batch in batches(theirs, IN_ONE_WRITE if down else BATCH):
                    try:
                        await self._read_batch(connection, reading, batch, down=down)
                    except NoAnswer:  # who demotes a node also disconnects its clients
                        await self._identify(connection, reading)
                        await self._read_batch(connection, reading, batch, down=down)
        except TimeoutError:
            reading.why_partial = f"not finished within {WITHIN_S:g} s"
        except NoAnswer as silence:
            reading.why_partial = str(silence)
        except _TakenOver as primary:
            reading.why_partial = f"by then it had the data of its primary at {primary}"
        finally:
            if down:
                with suppress(NoAnswer):  # then it is gone, and its settings with it
                    await connection.ask(_REFUSE_AGAIN, within_s=WITHIN_S)
            connection.close()
        reading.done_us = self._context.clock.now_us()
        self._context.record(reading)

    async def _identify(self, connection: AsyncConnection, reading: ForensicReading) -> None:
        """Who answers, and whether the data are still its own.

        Raises:
            NoAnswer: nobody, or another process than before.
            _TakenOver: its data are those of the primary that it follows.
        """
        ready = (("READONLY",),) if self._cluster else ()
        said = await connection.ask(*ready, ("INFO", "server"), ("INFO", "replication"), within_s=WITHIN_S)
        fields: dict[str, str] = {}
        for text in said[len(ready) :]:
            fields |= {} if isinstance(text, ErrorReply) else info.fields(text)
        run_id = fields.get("run_id", "")
        if reading.run_id not in {"", run_id}:
            raise NoAnswer(f"another process answers: {run_id}")
        reading.run_id = run_id
        reading.role = reading.role or str(info.role(fields) or "")
        if fields.get("master_link_status") == "up":
            raise _TakenOver(f"{fields['master_host']}:{fields['master_port']}")

    async def _is_down(self, connection: AsyncConnection, node: str) -> bool:
        """Whether the node refuses reads because of the state of its cluster."""
        (said,) = await connection.ask(("CLUSTER", "INFO"), within_s=WITHIN_S)
        fields = {} if isinstance(said, ErrorReply) else info.fields(said)
        down = fields.get("cluster_state") == "fail"
        if down and not self._context.plan.scenario.deployment.topology.allow_reads_when_down:
            self._context.record(
                Event(
                    source="harness",
                    name="configured",
                    t_us=self._context.clock.now_us(),
                    node=node,
                    shard=self._context.shard(node),
                    detail=f"{READS_WHEN_DOWN} yes, for single writes of the observer's: a last look",
                )
            )
            return True
        return False

    async def _read_batch(
        self,
        connection: AsyncConnection,
        reading: ForensicReading,
        batch: list[AuditedSession],
        *,
        down: bool,
    ) -> None:
        sent_us = self._context.clock.now_us()
        replies = await ask_batch(
            connection,
            batch,
            indexed=not self._cluster,
            before=(_ANSWER_ALL_THE_SAME,) if down else (),
            after=(_REFUSE_AGAIN,) if down else (),
        )
        done_us = self._context.clock.now_us()
        await self._identify(connection, reading)
        for session, said in zip(batch, replies, strict=True):
            entry = ForensicEntry(
                reading=reading.n,
                session=session.id,
                node=reading.node,
                run_id=reading.run_id,
                sent_us=sent_us,
                done_us=done_us,
            )
            refused = fill(entry, said, witnesses=self._witnesses)
            if refused is not None:  # LOADING, MOVED: it did not tell
                reading.why_partial = reading.why_partial or refused
                continue
            reading.sessions += 1
            self._context.record(entry)
