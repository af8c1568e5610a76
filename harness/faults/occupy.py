"""`occupy`: one command keeps a node busy, and everybody else waits. A node does one thing at a time.

`with: script` is a script that does not end by itself; after `busy-reply-threshold` (5 s) others get BUSY,
and Sentinel itself ends such a script at a primary that it takes for dead. `with: keys` is KEYS over all
keys, again and again: many short waits. `with: sleep` is DEBUG SLEEP, which Redis 7 refuses unless a setting
allows it.

Effect: another connection, opened before, waited longer than a healthy node lets anybody wait, and much
longer than it did just before: on a busy machine everybody waits a little.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress

from harness.clock import RunClock, wait_until
from harness.errors import NoEffect
from harness.faults import own_nodes, targets
from harness.faults.filler import Load, fill
from harness.faults.kept import going_on, keeping, let_go
from harness.faults.pause import answers
from harness.model.plan import Plan
from harness.model.scenario import Declaration, FaultStep, Option, OptionType
from harness.model.seams import Effect, FaultScene, Machine, NodeCommand
from harness.model.words import Trait
from harness.redis_wire.blocking import Connection
from harness.redis_wire.protocol import ErrorReply, NoAnswer

WAITED_LEAST_S = 0.02
"""A healthy node on a quiet machine answers PING in well under a millisecond."""
TIMES_LONGER = 3
"""Than the longest wait before the fault. A machine that is late once is late again, by about as much."""
LOOKS_BEFORE = 25
_FOR_S = 3.0
_LEAST_S = 0.2
_ANSWERS_AGAIN_S = 30.0
_KEYS_MOST = 10_000_000
"""About a gigabyte; more could take all the memory of the machine."""
_LOOKS = 50
_LOOK_EVERY_S = 0.01
_SMALL_BYTES = 8
_NO_SUCH_KEY = "failover-kit:no-such-key:*"
_SCRIPT = """local known, clock = pcall(function() return os.clock end)
local first, cpu_s = redis.call('TIME'), known and clock()
local passed_s
repeat
  for i = 1, 100000 do end
  local now = redis.call('TIME')
  passed_s = (now[1] - first[1]) + (now[2] - first[2]) / 1000000
  if known then passed_s = math.max(passed_s, clock() - cpu_s) end
until passed_s >= ARGV[1] / 1000000
return 1"""
"""Newer engines stop TIME while a script runs, older ones have no `os.clock`."""


class Occupy:
    declaration = Declaration(
        name="occupy",
        help="One client keeps a node busy with a script, KEYS or DEBUG SLEEP; everybody else waits.",
        targets=targets.DATA_NODES,
        options=(
            Option(
                name="with",
                type=OptionType.WORD,
                help="a script that runs on, KEYS again and again, or DEBUG SLEEP",
                default="script",
                words=("script", "keys", "sleep"),
                traits={"script": (Trait.CAUSES_FAILOVER,), "sleep": (Trait.CAUSES_FAILOVER,)},
            ),
            Option(
                name="keys",
                type=OptionType.COUNT,
                help="keys to add before, for `with: keys`; 0: none",
                default=0,
            ),
        ),
        least_for_s=_LEAST_S,
        traits=(Trait.LASTS,),
    )

    def fits(self, step: FaultStep, plan: Plan, machine: Machine) -> str | None:  # noqa: ARG002 - the protocol's
        if step.options.get("keys") and (step.options.get("with") != "keys" or plan.inventory.clustered):
            return "keys: only for `with: keys`, and not in a cluster"
        if int(step.options.get("keys", 0)) > _KEYS_MOST:
            return f"keys: expected at most {_KEYS_MOST}, found {step.options['keys']}"
        return targets.fits(step, plan)

    def inject(self, step: FaultStep, scene: FaultScene) -> Effect:
        (node,) = targets.resolve(step.target, scene)
        how = str(step.options.get("with", "script"))
        lasts_s = step.for_s or _FOR_S
        known = own_nodes.check(scene, node)
        with keeping(step, scene) as kept:
            asking = kept.enter_context(own_nodes.connect(scene, node, within_s=lasts_s + _ANSWERS_AGAIN_S))
            busy = kept.enter_context(own_nodes.connect(scene, node, within_s=lasts_s + _ANSWERS_AGAIN_S))
            if keys := int(step.options.get("keys", 0)):
                fill(busy.socket, Load(keys=keys, value_bytes=_SMALL_BYTES), lambda _: not scene.stopping())
            ending = kept.enter_context(own_nodes.connect(scene, node))
            work = _Work(busy, _WAYS[how], lasts_s)
            usual_s = _longest_wait_before(asking, scene)
            least_s = max(WAITED_LEAST_S, TIMES_LONGER * usual_s)
            if TIMES_LONGER * usual_s >= lasts_s:
                raise NoEffect(
                    f"{known} lets clients wait for {usual_s:.2f} s as it is, and"
                    f" {lasts_s:g} s of {_SAYS[how]} would prove nothing"
                )
            began_us = scene.observed.now_us()
            if how == "script":
                scene.note_undo(step, [NodeCommand(node, ("SCRIPT", "KILL"))])
            kept.enter_context(going_on(work.go_on))
            kept.callback(busy.hang_up)  # wakes the thread
            if how == "script":
                kept.callback(_end_script, ending)
            waited_s, at_us = _longest_wait(asking, work, scene, least_s)
        return Effect(
            targets=(node,),
            proof=(
                f"{_SAYS[how]} keeps {known} busy: another client waited {waited_s:.2f} s, and"
                f" {usual_s * 1000:.1f} ms at most just before"
            ),
            at_us=at_us,
            error_us=at_us - began_us,
        )

    def heal(self, step: FaultStep, effect: Effect, scene: FaultScene) -> str | None:
        (node,) = effect.targets
        let_go(step, scene)
        if not scene.topology.state(node).running:
            return f"{node} is down"
        wait_until(
            lambda: _answers_again(node, scene),
            within_s=_ANSWERS_AGAIN_S,
            waiting_for=f"{node} to answer after being busy",
        )
        return f"answering: {node}"

    def in_force(self, effect: Effect, scene: FaultScene) -> bool:
        return bool(targets.running(effect.targets, scene))


class _Work:
    """What keeps the node busy, from a thread of its own, until its time is over."""

    def __init__(self, busy: Connection, way: Callable[[Connection, float], None], lasts_s: float) -> None:
        self._busy = busy
        self._way = way
        self._lasts_s = lasts_s
        self.refusal = ""

    def go_on(self, over: threading.Event) -> None:
        clock = RunClock()
        while not over.is_set() and (left_s := self._lasts_s - clock.now_us() / 1e6) > 0:
            try:
                self._way(self._busy, left_s)
            except ErrorReply as refused:
                self.refusal = refused.text
                return
            except NoAnswer:  # the node was killed, or the fault is being healed
                return


def _script(busy: Connection, left_s: float) -> None:
    busy.call("EVAL", _SCRIPT, 0, round(left_s * 1e6))


def _keys(busy: Connection, left_s: float) -> None:  # noqa: ARG001 - one turn of many
    busy.call("KEYS", _NO_SUCH_KEY)


def _sleep(busy: Connection, left_s: float) -> None:
    busy.call("DEBUG", "SLEEP", f"{left_s:.3f}")


_WAYS: Mapping[str, Callable[[Connection, float], None]] = {
    "script": _script,
    "keys": _keys,
    "sleep": _sleep,
}
_SAYS = {"script": "a script", "keys": "KEYS", "sleep": "DEBUG SLEEP"}


def _longest_wait_before(asking: Connection, scene: FaultScene) -> float:
    """How long another client waits while nothing keeps the node busy."""
    clock, waits_us = RunClock(), []
    for _ in range(LOOKS_BEFORE):
        sent_us = scene.observed.now_us()
        asking.call("PING")
        waits_us.append(scene.observed.now_us() - sent_us)
        clock.sleep(_LOOK_EVERY_S)
    return max(waits_us) / 1e6


def _longest_wait(asking: Connection, work: _Work, scene: FaultScene, least_s: float) -> tuple[float, int]:
    """How long another client waited, and when it knew so.

    Raises:
        NoEffect: nobody had to wait.
    """
    clock = RunClock()
    for _ in range(_LOOKS):
        sent_us = scene.observed.now_us()
        silent_us = _silent_until(asking, sent_us, scene, least_s)
        if silent_us > sent_us:
            return (silent_us - sent_us) / 1e6, silent_us
        if work.refusal:
            raise NoEffect(f"{asking.who} refused to be kept busy: {work.refusal}")
        clock.sleep(_LOOK_EVERY_S)
    raise NoEffect(
        f"{asking.who} answered another client within {least_s * 1000:.1f} ms all the time, as it does"
        " without a fault"
    )


def _silent_until(asking: Connection, sent_us: int, scene: FaultScene, least_s: float) -> int:
    """Until when a PING had no reply for as long as the proof asks for; the moment itself: it had one."""
    asking.send("PING")
    while not asking.replied(WAITED_LEAST_S):
        now_us = scene.observed.now_us()
        if now_us - sent_us >= least_s * 1e6:
            return now_us
    return sent_us


def _answers_again(node: str, scene: FaultScene) -> bool:
    try:
        return answers(node, scene, within_s=1.0)
    except ErrorReply:  # BUSY
        return False


def _end_script(ending: Connection) -> None:
    """Nothing to do where it ended by itself. Before the threshold the node hears nobody, and this later."""
    ending.limit(_LEAST_S)
    with suppress(NoAnswer, ErrorReply):
        ending.call("SCRIPT", "KILL")
