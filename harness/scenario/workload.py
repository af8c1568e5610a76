"""The `workload` of a scenario: who does what, how often."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.model.scenario import OptionValue, Vocabulary, Workload
from harness.model.words import Arrivals
from harness.scenario import tree
from harness.scenario.faults import OptionsReader
from harness.scenario.problems import Problems
from harness.scenario.table import Field, read_table
from harness.scenario.values import (
    FACTOR,
    FLAG,
    INVALID,
    POSITIVE_DURATION,
    RATE,
    SHARE,
    SIZE,
    Later,
    Named,
    One,
    Schema,
    Unreadable,
    count,
    entries,
    other_spelling,
    size_bytes,
    word,
)

LARGEST_SESSION = 1_000_000
"""Bytes. Every read of a session carries it over the network."""


@dataclass(frozen=True, slots=True)
class SessionSizes:
    """One size, or a mapping from sizes to their weights."""

    def read(self, node: tree.Node, path: str, problems: Problems) -> Any:
        if not isinstance(node, tree.Mapping):
            size = _SIZE_OF_SESSION.read(node, path, problems)
            return size if size is INVALID else ((size, 1.0),)
        found = []
        for written, key, value in entries(node, path, problems):
            weight = FACTOR.read(value, f"{path}.{written}", problems)
            size = _SIZE_OF_SESSION.read(key, f"{path}.{written}", problems)
            if INVALID in (size, weight):
                return INVALID
            found.append((size, weight))
        if not any(weight for _, weight in found):
            problems.expected(node, path, "at least one size with a weight above zero")
            return INVALID
        return tuple(found)

    def schema(self) -> Schema:
        weights = {"type": "object", "additionalProperties": FACTOR.schema()}
        return {"anyOf": [SIZE.schema(), weights]}


def _session_bytes(text: str) -> int:
    size = size_bytes(text)
    if size > LARGEST_SESSION:
        raise Unreadable("at most 1MB")
    return size


def _idle_timeout_s(text: str) -> float | None:
    return None if text == _NO_TIMEOUT else POSITIVE_DURATION.parse(text)


_NO_TIMEOUT = "none"
IDLE_TIMEOUT = One(
    f"{POSITIVE_DURATION.expected}, or {_NO_TIMEOUT}",
    _idle_timeout_s,
    {"anyOf": [{"enum": [_NO_TIMEOUT]}, POSITIVE_DURATION.schema()]},
)
_SIZE_OF_SESSION = One("a size such as 50kB", _session_bytes, SIZE.schema())


def workload_fields(vocabulary: Vocabulary) -> tuple[Field, ...]:
    behaviours = tuple(vocabulary.behaviours)
    return (
        Field(key="web_servers", reader=count(1, 20), help="processes of the application; default 3"),
        Field(
            key="rate",
            attribute="rate_per_s",
            reader=RATE,
            help="operations that are due per second, even if earlier operations have no reply yet",
        ),
        Field(
            key="arrivals",
            reader=word(tuple(Arrivals), Arrivals),
            help="how arrivals are spread over time; default poisson",
        ),
        Field(key="users", reader=count(1, 100_000), help="users who are logged in before the baseline"),
        Field(
            key="devices",
            reader=count(1, 20),
            help="browsers of each user, each with a session of its own; default 1",
        ),
        Field(
            key="think_time",
            attribute="think_time_s",
            reader=POSITIVE_DURATION,
            help="how long a browser waits at least between two of its requests",
        ),
        Field(
            key="idle_timeout",
            attribute="idle_timeout_s",
            reader=IDLE_TIMEOUT,
            help="a session that is not used for this long expires; none: it has no time to live",
        ),
        Field(
            key="absolute_timeout",
            attribute="absolute_timeout_s",
            reader=POSITIVE_DURATION,
            help="a session ends at this age, however often it is used",
        ),
        Field(
            key="session_size",
            attribute="session_sizes",
            reader=SessionSizes(),
            help="bytes of a session besides its fields: `50kB`, or sizes and their weights",
        ),
        Field(
            key="active_share",
            reader=SHARE,
            help="share of the users who keep using their session; the rest stay idle",
        ),
        Field(
            key="traffic",
            reader=word(tuple(vocabulary.traffic())),
            help="a realistic mix in one word; `mix` adds to it, and leaves out what has weight 0",
        ),
        Field(key="mix", reader=Named(FACTOR, names=behaviours), help="behaviour -> weight"),
        Field(
            key="options",
            reader=Later({"type": "object", "additionalProperties": {"type": "object"}}),
            help="behaviour -> its options",
        ),
        Field(key="witnesses", reader=FLAG, help="every write also stores its id (a witness); default true"),
        Field(key="guarded_writes", reader=FLAG, help="write only if the session exists; default true"),
        Field(key="transactions", reader=FLAG, help="group commands in MULTI/EXEC; default true"),
    )


def read_workload(
    node: tree.Node | None, vocabulary: Vocabulary, problems: Problems, *, elsewhere: Mapping[str, str]
) -> Workload:
    """`elsewhere`: keys of other parts of a scenario -> where they belong."""
    if node is None:
        return Workload()
    before = problems.count
    values = read_table(node, "workload", workload_fields(vocabulary), problems, elsewhere=elsewhere)
    options_node = values.pop("options", None)
    usual = vocabulary.traffic().get(values.get("traffic", ""), {})
    values["mix"] = {**usual, **values.get("mix", {})}
    workload = Workload(**values)
    if problems.count == before and not any(workload.mix.values()):
        problems.add(
            node,
            "workload.mix",
            "expected at least one behaviour with a weight above zero, here or by a word in `traffic`",
        )
    for name in workload.mix if workload.idle_timeout_s is None else ():
        if workload.mix[name] and vocabulary.behaviours[name].needs_timeout:
            problems.add(
                at(node, "mix", name),
                f"workload.mix.{name}",
                f"sessions have no idle timeout (idle_timeout: {_NO_TIMEOUT}), and {name} is about one; "
                f"give {name} the weight 0 here, or leave it out",
            )
    options = _read_options(options_node, workload, vocabulary, problems)
    values["mix"] = {name: weight for name, weight in workload.mix.items() if weight}
    kinds = {name: vocabulary.behaviours[name].kind for name in values["mix"]}
    read = Workload(
        **values,
        options=options,
        kinds={name: kind for name, kind in kinds.items() if kind},
        beyond=vocabulary.beyond(values["mix"]),
        leads_to=vocabulary.leads_to(values["mix"]),
    )
    _check_shared(node, read, vocabulary, problems)
    return read


def _check_shared(node: tree.Node, workload: Workload, vocabulary: Vocabulary, problems: Problems) -> None:
    """Behaviours that work on the same objects must look for them in the same place."""
    said: dict[str, tuple[str, OptionValue]] = {}
    """What keys begin with -> the first behaviour of the mix that works on them, and what it chose."""
    for name in workload.mix:
        for option in vocabulary.behaviours[name].options:
            for kept in option.shares:
                chosen = workload.options[name][option.name]
                first, expected = said.setdefault(kept, (name, chosen))
                if chosen != expected:
                    where = ("options", name, option.name)
                    problems.add(
                        at(node, *where),
                        ".".join(("workload", *where)),
                        f"expected {expected}, as {first} has it, since both work on {kept}…; found {chosen}",
                    )


def at(node: tree.Node, *keys: str) -> tree.Node:
    """What the workload says under these keys; the whole of it where it says that in another way, as by
    `traffic`."""
    found = node
    for key in keys:
        pairs = found.value if isinstance(found, tree.Mapping) else []
        found = next((value for word, value in pairs if word.value == key), node)
    return found


def _read_options(
    node: tree.Node | None, workload: Workload, vocabulary: Vocabulary, problems: Problems
) -> dict[str, dict[str, OptionValue]]:
    given = {}
    for written, key, value in entries(node, "workload.options", problems) if node is not None else []:
        name = other_spelling(written, workload.mix)
        if name not in workload.mix:
            problems.unknown(key, "workload.options", "behaviour of the mix", written, workload.mix)
        elif name in given:
            problems.add(
                key, "workload.options", f"{written!r} is the same as {name!r}, which is already there"
            )
        else:
            given[name] = value
    return {name: _options_of(name, given.get(name), vocabulary, workload, problems) for name in workload.mix}


def _options_of(
    name: str, node: tree.Node | None, vocabulary: Vocabulary, workload: Workload, problems: Problems
) -> dict[str, OptionValue]:
    declaration = vocabulary.behaviours[name]
    path = f"workload.options.{name}"
    if node is None:
        return {o.name: o.default for o in declaration.options if o.default is not None}
    pairs = {key: (key_node, value) for key, key_node, value in entries(node, path, problems)}
    return OptionsReader(declaration=declaration, workload=workload).read(node, pairs, path, problems)
