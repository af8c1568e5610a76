"""What the proxies say of the nodes behind them, written down when it changes: who gets connections.

Two nodes that are UP at once are a split brain that clients can reach; none, and every request fails.
"""

from __future__ import annotations

from collections.abc import Callable

from harness.model.proxy import ProxySpec
from harness.model.records import PROXY_SAYS, Event
from harness.model.seams import Address
from harness.observe.context import ObserverContext, every
from harness.redis_wire import haproxy
from harness.redis_wire.haproxy import ServerState
from harness.redis_wire.protocol import NoAnswer

ASK_EVERY_S = 0.1
_ANSWER_WITHIN_S = 0.5

SILENT = "no answer"


class ProxyWatch:
    """Asks one proxy until cancelled."""

    def __init__(self, context: ObserverContext, proxy: str, port: int) -> None:
        self._context = context
        self._proxy = proxy
        self._at = Address(context.addresses[proxy].host, port)
        self._spec = context.plan.scenario.deployment.topology.proxy or ProxySpec()
        self._nodes = {node.name for node in context.plan.inventory.session_nodes()}
        self._said = ""
        self._looked_us: int | None = None

    async def watch(self) -> None:
        await every(ASK_EVERY_S, self.look)

    async def look(self) -> None:
        try:
            servers = await haproxy.servers_soon(self._at, self._context.source, within_s=_ANSWER_WITHIN_S)
        except NoAnswer:
            said = SILENT
        else:
            said = described(servers, self._node_of)
        now_us = self._context.clock.now_us()
        if said != self._said:
            before_us = now_us if self._looked_us is None else self._looked_us
            self._context.record(
                Event(
                    source=self._proxy,
                    name=PROXY_SAYS,
                    t_us=now_us,
                    error_us=now_us - before_us,
                    node=self._proxy,
                    detail=said,
                )
            )
            self._said = said
        self._looked_us = now_us

    def _node_of(self, server: ServerState) -> str:
        """Empty: it is none that clients may get."""
        node = self._spec.node_of(server.backend, server.name)
        return node if node in self._nodes else ""


def described(servers: tuple[ServerState, ...], node_of: Callable[[ServerState], str]) -> str:
    """`redis-1 UP, redis-2 UP, redis-3 DOWN (2 UP)`: what matters of it, so that it changes seldom. A node
    in several backends is UP if it is in one of them."""
    mine: dict[str, bool] = {}
    for one in servers:
        if node := node_of(one):
            mine[node] = mine.get(node, False) or one.up
    states = ", ".join(f"{name} {'UP' if up else 'DOWN'}" for name, up in sorted(mine.items()))
    count = sum(mine.values())
    return states if count == 1 else f"{states} ({count} UP)"
