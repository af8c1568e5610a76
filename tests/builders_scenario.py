"""A small vocabulary and a scenario text for tests of reading and planning; no fault, no behaviour."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import dedent

from harness.checks.promises.table import FINDINGS
from harness.faults.targets import HOSTS
from harness.model.plan import Plan
from harness.model.scenario import Declaration, Option, OptionType, Scenario, Vocabulary
from harness.model.seams import Machine
from harness.model.words import BackendKind
from harness.plan import compile as compile_plan
from harness.scenario import load
from harness.scenario.expectations import METRICS
from lab.records import traits_of

NODES = ("primary", "shard N primary", "replica", "all replicas", "sentinel", "cache", "random", *HOSTS)


def _fault(name: str, *targets: str, options: tuple[Option, ...] = ()) -> Declaration:
    return Declaration(
        name=name, help=f"does {name}", targets=targets, options=options, traits=traits_of(name)
    )


def _behaviour(name: str, *options: Option) -> Declaration:
    return Declaration(name=name, help=f"does {name}", options=options)


DATA = Option(name="data", type=OptionType.WORD, help="keep or wipe", default="keep", words=("keep", "empty"))
WITH = Option(name="with", type=OptionType.WEB_SERVER, help="stays on its side", default="")
TO = Option(name="to", type=OptionType.FACTOR, help="multiples of maxmemory")
VALUE = Option(name="value", type=OptionType.SIZE, help="of one value", default=1024)
TTL = Option(name="ttl", type=OptionType.DURATION, help="of the keys", default=0.0)

VOCABULARY = Vocabulary(
    faults={
        "kill": _fault("kill", *NODES),
        "pause": _fault("pause", *NODES),
        "restart": _fault("restart", "killed", *NODES, options=(DATA,)),
        "isolate": _fault("isolate", *NODES, options=(WITH,)),
        "cut replication": _fault("cut replication", "primary", "shard N primary"),
        "planned failover": _fault("planned failover", "primary", "shard N primary"),
        "fill cache": _fault("fill cache", "cache", options=(TO, VALUE, TTL)),
        "kill web server": _fault("kill web server", "web-N"),
        "storm": _fault("storm"),
    },
    behaviours={
        "log-in": _behaviour("log-in"),
        "read": _behaviour("read"),
        "cart": _behaviour("cart", Option(name="items", type=OptionType.COUNT, help="items", default=3)),
        "logout": _behaviour("logout"),
    },
    findings={
        name: FINDINGS[name] for name in ("lost-session", "lost-write", "stale-read", "resurrected-session")
    },
    metrics=frozenset(METRICS),
)

GOOD = """\
scenario: 1
name: primary killed
deployment:
  topology: {kind: sentinel}
workload:
  rate: 100/s
  mix: {log-in: 1, read: 4}
faults:
  - {after: 5s, kill: primary}
expect:
  outage(read): < down_after + 4s
"""


def read(
    folder: Path, text: str = GOOD, *, overrides: Sequence[str] = (), deployment: Path | None = None
) -> Scenario:
    """The scenario of a text, through a file `s.yaml` in the folder."""
    path = folder / "s.yaml"
    path.write_text(dedent(text), encoding="utf-8")
    return load(path, VOCABULARY, overrides=overrides, deployment=deployment)


def plan_of(scenario: Scenario, *, refuse: str | None = None) -> Plan:
    """A plan on a machine that can do everything; `refuse` is what every fault says instead."""
    machine = Machine(backend=BackendKind.PROCESS, network_faults=True, cpus=2)
    fits = {name: lambda _step, _plan, _machine: refuse for name in VOCABULARY.faults}
    return compile_plan(
        scenario,
        seed=7,
        backend=BackendKind.PROCESS,
        machine=machine,
        fits=fits,
        findings=VOCABULARY.findings,
    )
