"""The `faults` list: each item is one fault kind with its target, a start, how long it lasts, and options.

    - {after: 5s, isolate: primary, with: web-1, for: 12s}

What kinds, targets and options there are comes from the vocabulary; this module knows only the
grammar around them. Targets stay symbolic: who is primary is asked when the fault begins.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from harness.model.fit import (
    APPLICATION,
    LEFT_BY,
    application_misfit,
    misfit,
    missing_web_server,
    no_other_shard,
    shard_of_target,
)
from harness.model.scenario import (
    Declaration,
    FaultStep,
    Needed,
    Option,
    OptionType,
    OptionValue,
    Start,
    Vocabulary,
    Workload,
)
from harness.model.words import ANNOUNCED, EVENTS, Trait
from harness.scenario import tree
from harness.scenario.directives import ConfigurationLines
from harness.scenario.problems import Problems, choices
from harness.scenario.surroundings import Surroundings
from harness.scenario.table import Field, read_table, table_schema
from harness.scenario.values import (
    DURATION,
    ENGINE,
    FACTOR,
    FLAG,
    INVALID,
    POSITIVE_DURATION,
    SHARE,
    SIZE,
    One,
    Reader,
    Schema,
    Unreadable,
    count,
    duration_s,
    entries,
    word,
)

FAULTS_MAX = 100
"""Each has a thread of its own while it waits."""
NAMED_AT_MOST = 4
"""Faults that a message lists; more are named by what they have in common."""

Pair = tuple[tree.Node, tree.Node]
"""A key's own node, for its line, and its value."""

_GRAMMAR = ("after", "when", "for", "repeat", "every")
_ANOTHER_EACH_TIME = frozenset({"another replica", "not yet restarted"})
"""Targets that no earlier fault of the list acted on: turns of a fault on these may overlap."""
_PLACEHOLDERS = {
    "shard N": r"shard \d+",
    "web-N": r"web-\d+",
    "service NAME": r"service [\w.-]+",
    "host A": r"host (?!of\b)[a-z0-9-]+",
    "zone A": r"zone (?!of\b)[a-z0-9-]+",
}


def read_faults(node: tree.Node | None, around: Surroundings, problems: Problems) -> tuple[FaultStep, ...]:
    if node is None:
        return ()
    if not isinstance(node, tree.Sequence):
        problems.expected(node, "faults", "a list of faults")
        return ()
    if len(node.value) > FAULTS_MAX:
        problems.add(node, "faults", f"expected at most {FAULTS_MAX} faults, found {len(node.value)}")
        return ()
    steps: list[FaultStep] = []
    numbers: list[int] = []
    """Item -> the number of its fault, of a repeated one the last."""
    for index, item in enumerate(node.value):
        read = _read_item(item, index + 1, f"faults.{index}", around, problems)
        if read is None:
            numbers.append(len(steps))
            continue
        step = read.step
        path = f"faults.{index}.{step.kind}"
        reason = misfit(step, around.inventory)
        if reason := reason or application_misfit(step, around.deployment, around.workload):
            problems.add(item, path, reason)
        left_by = LEFT_BY.get(step.target)
        if left_by and not any(left_by in other.traits for other in steps):
            missing = _that_leaves(left_by, around)
            problems.add(item, path, f"no node is {step.target} at that time: no {missing} comes before")
        if (needed := _needed(step, around)) and not any(
            needed.left_by(other.traits, other.target) for other in steps
        ):
            where = f" on {needed.target}" if needed.target else ""
            missing = _that_leaves(needed.trait, around)
            problems.add(item, path, f"it would change nothing: no {missing}{where} comes before")
        steps += _turns(replace(step, start=_renumbered(step.start, numbers)), read, len(steps))
        numbers.append(len(steps))
    if len(steps) > FAULTS_MAX:
        problems.add(node, "faults", f"expected at most {FAULTS_MAX} faults, found {len(steps)} with repeats")
    return tuple(steps)


def _needed(step: FaultStep, around: Surroundings) -> Needed | None:
    """What has to come before, where no application of somebody's own may have seen to that."""
    if around.workload.application or around.deployment.guest is not None:
        return None
    return around.vocabulary.faults[step.kind].needs(step.target, step.options, around.inventory)


def _that_leaves(trait: Trait, around: Surroundings) -> str:
    """What kind of fault has this trait: by name, where only a few have it, and with the option that gives it
    the trait."""
    names = [
        name + with_option
        for name, one in around.vocabulary.faults.items()
        for with_option in _gives(trait, one)
    ]
    return " or ".join(names) if len(names) <= NAMED_AT_MOST else f"fault that {trait}"


def _gives(trait: Trait, fault: Declaration) -> list[str]:
    """What has to be written besides a fault's name, for it to have a trait; empty: it never has."""
    if trait in fault.traits:
        return [""]
    words = [
        f"{option.name}: {word}"
        for option in fault.options
        for word, traits in option.traits.items()
        if trait in traits
    ]
    return [f" with {words[0]}"] if words else []


def read_fault(item: tree.Node, number: int, around: Surroundings, problems: Problems) -> FaultStep | None:
    """One fault without repeats, which is in no list."""
    read = _read_item(item, number, "", around, problems)
    if read is None or read.turns == 1:
        return None if read is None else read.step
    problems.add(item, "repeat", "only a scenario's list of faults can repeat one")
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Item:
    """What one item of the list says: a fault, and how often."""

    step: FaultStep
    turns: int
    every_s: float


def _turns(first: FaultStep, read: _Item, before: int) -> list[FaultStep]:
    """The fault as often as it is repeated: by the clock where it starts by the clock, else each so long
    after the one before took effect."""
    turns = [replace(first, number=before + 1)]
    for turn in range(1, read.turns):
        if first.start.after_s is not None:
            start = Start(after_s=first.start.after_s + turn * read.every_s)
        else:
            start = Start(event=f"fault {turns[-1].number}", offset_s=read.every_s)
        turns.append(replace(first, number=before + 1 + turn, start=start))
    return turns


def _renumbered(start: Start, numbers: Sequence[int]) -> Start:
    """`fault 2` is the second item; with repeats before it, it is a later fault."""
    named = re.fullmatch(r"fault (\d+)", start.event or "")
    return replace(start, event=f"fault {numbers[int(named[1]) - 1]}") if named else start


def _read_item(
    item: tree.Node, number: int, path: str, around: Surroundings, problems: Problems
) -> _Item | None:
    pairs = {key: (key_node, value) for key, key_node, value in entries(item, path, problems)}
    if not isinstance(item, tree.Mapping):
        return None
    kinds = [key for key in pairs if key in around.vocabulary.faults]
    if len(kinds) != 1:
        problems.add(item, path, _no_single_kind(kinds, list(pairs), around.vocabulary))
        return None
    declaration = around.vocabulary.faults[kinds[0]]
    start = _Starts(number=number, behaviours=tuple(around.workload.mix)).read(item, path, pairs, problems)
    for_s = POSITIVE_DURATION.read(pairs["for"][1], f"{path}.for", problems) if "for" in pairs else None
    if reason := _unkept(for_s, declaration):
        problems.add(pairs["for"][0], f"{path}.for", reason)
    reader = OptionsReader(declaration=declaration, workload=around.workload)
    target = reader.read_target(pairs[kinds[0]][1], f"{path}.{kinds[0]}", problems)
    options = {key: pair for key, pair in pairs.items() if key not in (kinds[0], *_GRAMMAR)}
    before = problems.count
    values = reader.read(item, options, path, problems)
    if problems.count == before and (reason := declaration.wrong(values)):
        problems.add(item, f"{path}.{declaration.name}", reason)
    inventory = around.inventory
    for option in declaration.options:
        chosen = values.get(option.name, option.default)
        if not inventory.clustered and chosen in option.of_a_cluster:
            where = f"{path}.{option.name}"
            reason = f"{chosen} is for a cluster only; in a {inventory.called} topology leave it out"
            problems.add(options[option.name][0], where, reason)
        if option.type is OptionType.SHARD and option.name in options and isinstance(chosen, int) and chosen:
            refused = no_other_shard(shard_of_target(target or ""), chosen, inventory)
            if inventory.clustered and refused:
                problems.add(options[option.name][0], f"{path}.{option.name}", refused)
    turns, every_s = _read_repeat(item, path, pairs, problems)
    if start is None or for_s is INVALID or target is None:
        return None
    if turns > 1 and isinstance(for_s, float) and every_s <= for_s and target not in _ANOTHER_EACH_TIME:
        reason = (
            f"expected more than `for: {for_s:g}s`, found {every_s:g} s: the next one would strike too early"
        )
        problems.add(pairs["every"][0], f"{path}.every", reason)
    step = FaultStep(
        number=number,
        kind=kinds[0],
        target=target,
        start=start,
        for_s=for_s,
        options=values,
        traits=declaration.traits_with(values),
        line=tree.line(item),
    )
    return _Item(step=step, turns=turns, every_s=every_s)


def _read_repeat(
    item: tree.Node, path: str, pairs: Mapping[str, Pair], problems: Problems
) -> tuple[int, float]:
    """How often, and how far apart."""
    if ("repeat" in pairs) != ("every" in pairs):
        problems.add(item, path, "expected 'repeat' (how often) and 'every' (how far apart), found only one")
    if not {"repeat", "every"} <= pairs.keys():
        return 1, 0.0
    turns = count(1).read(pairs["repeat"][1], f"{path}.repeat", problems)
    every_s = POSITIVE_DURATION.read(pairs["every"][1], f"{path}.every", problems)
    return (1, 0.0) if INVALID in {turns, every_s} else (turns, every_s)


def _unkept(for_s: object, declaration: Declaration) -> str | None:
    """Why a fault cannot keep its `for:`; None: it can."""
    if not isinstance(for_s, float):
        return None
    if declaration.least_for_s is None:
        return f"{declaration.name!r} is over at once and has nothing to heal; remove 'for'"
    if for_s < declaration.least_for_s:
        least = f"{declaration.least_for_s * 1000:g}ms"
        return (
            f"expected at least {least}, the time that is needed to prove the effect of {declaration.name!r}"
        )
    return None


def _no_single_kind(kinds: list[str], keys: list[str], vocabulary: Vocabulary) -> str:
    if kinds:
        return f"one fault each: found {' and '.join(map(repr, kinds))}; write two items"
    unknown = [key for key in keys if key not in _GRAMMAR]
    found = tree.shortened(unknown[0]) if unknown else "none"
    shown = repr(found) if unknown else found
    return f"expected one fault, found {shown}{choices(found, vocabulary.faults)}"


# ---------------------------------------------------------------- when it starts


@dataclass(frozen=True, slots=True, kw_only=True)
class _Starts:
    """Reads `after` or `when` of the fault with this number."""

    number: int
    behaviours: tuple[str, ...]

    def read(self, item: tree.Node, path: str, pairs: Mapping[str, Pair], problems: Problems) -> Start | None:
        if ("after" in pairs) == ("when" in pairs):
            problems.add(item, path, "expected either 'after' (a time or an event) or 'when' (a condition)")
            return None
        if "when" in pairs:
            return _read_condition(pairs["when"][1], f"{path}.when", self.behaviours, problems)
        start = _after(self.number).read(pairs["after"][1], f"{path}.after", problems)
        return None if start is INVALID else start


def _after(number: int) -> One:
    def parse(text: str) -> Start:
        event, _, offset = (part.strip() for part in text.partition("+"))
        if re.match(r"\d", event) and not offset:
            return Start(after_s=duration_s(event))
        earlier = [f"fault {n}" for n in range(1, number)]
        if event not in (*EVENTS, *earlier):
            raise Unreadable(choices(event, (*EVENTS, *earlier)).removeprefix("; "))
        if number == 1:
            raise Unreadable("the first fault has no event before it: use a time or a condition")
        return Start(event=event, offset_s=duration_s(offset) if offset else 0.0)

    return One("a time such as 5s, or an event such as 'promoted + 2s'", parse, _AFTER_SCHEMA)


_TIME = "[0-9.]+ *(us|ms|s|min|h|d)"
_AFTER_SCHEMA: Schema = {
    "type": "string",
    "pattern": rf"^({_TIME}|({'|'.join(EVENTS)}|fault [0-9]+)( *\+ *{_TIME})?)$",
}


def after_schema() -> Schema:
    return _AFTER_SCHEMA


_KEYS = {"acked": "acked", "replica_lag_bytes": "replica_lag", "event": "event"}


def _message(text: str) -> str:
    if text in EVENTS:
        return text
    if not re.fullmatch(r"[+-][a-z][a-z0-9-]*", text):
        raise Unreadable(choices(text, EVENTS).removeprefix("; "))
    return ANNOUNCED.get(text, text)


_MESSAGE = One(
    "an event such as promoted, or what a sentinel announces, such as +tilt or -failover-abort-not-elected",
    _message,
    {"type": "string", "pattern": rf"^([+-][a-z][a-z0-9-]*|{'|'.join(EVENTS)})$"},
)


def condition_schema(behaviours: tuple[str, ...]) -> Schema:
    return table_schema(_condition_fields(behaviours))


def _condition_fields(behaviours: tuple[str, ...]) -> tuple[Field, ...]:
    return (
        Field(key="acked", reader=word(behaviours), help="once operations of this behaviour were acked"),
        Field(key="times", reader=count(1), help="how many of them; default 1"),
        Field(
            key="unreplicated",
            reader=FLAG,
            help="and no replica of the shard has them yet; default false",
        ),
        Field(key="event", reader=_MESSAGE, help="once a sentinel has announced this, such as +tilt"),
        Field(
            key="replica_lag",
            attribute="replica_lag_bytes",
            reader=SIZE,
            help="once the slowest replica is further behind than this",
        ),
    )


def _read_condition(
    node: tree.Node, path: str, behaviours: tuple[str, ...], problems: Problems
) -> Start | None:
    before = problems.count
    values = read_table(node, path, _condition_fields(behaviours), problems)
    given = [key for key in ("acked", "replica_lag_bytes", "event") if key in values]
    if problems.count == before and len(given) != 1:
        problems.add(
            node,
            path,
            "expected one condition: 'acked: <behaviour>', 'replica_lag: <size>' or 'event: <announced>'",
        )
    if given and given != ["acked"] and len(values) > 1:
        problems.add(node, path, f"'times' and 'unreplicated' belong to 'acked', not to {_KEYS[given[0]]!r}")
    return Start(**values) if problems.count == before else None


# ---------------------------------------------------------------- target and options


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionsReader:
    """Reads what a declaration says: of a fault (with its target) or of a behaviour."""

    declaration: Declaration
    workload: Workload

    def read_target(self, node: tree.Node, path: str, problems: Problems) -> str | None:
        declared = self.declaration.targets
        target = " ".join(node.value.split()) if isinstance(node, tree.Scalar) else None
        if not declared:
            if target in ("", "true", "yes", "~", "null"):
                return ""
            problems.expected(node, path, f"no target ({self.declaration.name} takes none)")
            return None
        if target is None or not any(_names(pattern, target) for pattern in declared):
            hint = choices(target or "", declared).removeprefix("; ")
            problems.expected(node, path, f"a target of {self.declaration.name}", hint)
            return None
        if reason := missing_web_server(target, self.workload):
            problems.add(node, path, reason)
        return target

    def read(
        self, item: tree.Node, pairs: Mapping[str, Pair], path: str, problems: Problems
    ) -> dict[str, OptionValue]:
        """Options by name, defaults filled in."""
        legal = {option.name: option for option in self.declaration.options}
        values = {name: option.default for name, option in legal.items() if option.default is not None}
        of = repr(self.declaration.name)
        for key, (key_node, value) in pairs.items():
            if key not in legal:
                near = choices(key, legal) if legal else "; it takes none"
                problems.add(key_node, path, f"unknown option {tree.shortened(key)!r} of {of}{near}")
                continue
            read = option_reader(legal[key]).read(value, f"{path}.{key}", problems)
            if self.workload.application and read == "web-1":  # what the command takes the place of
                read = APPLICATION
            if isinstance(read, int | float) and (too_small := _too_small(legal[key], read)):
                problems.expected(value, f"{path}.{key}", too_small)
                continue
            if read is not INVALID:
                values[key] = read
            if legal[key].of_age and values.get(key) and not self.workload.absolute_timeout_s:
                problems.add(
                    key_node,
                    f"{path}.{key}",
                    f"sessions have no absolute timeout, and {key} is about one; give "
                    "workload.absolute_timeout, or leave it out",
                )
            if isinstance(read, str) and (reason := missing_web_server(read, self.workload)):
                problems.add(value, f"{path}.{key}", reason)
        for name, option in legal.items():
            if option.default is None and name not in pairs:
                problems.add(item, path, f"{of} needs the option {name!r}: {option.help}")
        return values


def _too_small(option: Option, number: float) -> str:
    """What is expected instead; empty: it is large enough."""
    if option.least is None or number >= option.least:
        return ""
    unit = "s" if option.type is OptionType.DURATION else ""
    return f"at least {option.least:g}{unit}, so that its effect can be proved"


def _names(pattern: str, target: str) -> bool:
    return re.fullmatch(target_pattern(pattern), target) is not None


def target_pattern(target: str) -> str:
    """The regular expression of a declared target, with what may stand in the place of N and A."""
    expression = re.escape(target).replace(r"\ ", " ").replace(r"\-", "-")
    for placeholder, digits in _PLACEHOLDERS.items():
        expression = expression.replace(placeholder, digits)
    return expression


def has_placeholder(target: str) -> bool:
    return any(placeholder in target for placeholder in _PLACEHOLDERS)


def option_reader(option: Option) -> Reader:
    if option.type is OptionType.WORD:
        return word(option.words) if option.words else _ANY_WORD
    if option.type is OptionType.PEERS:
        return _peers(option.words)
    return _OPTION_READERS[option.type]


def _web_server(text: str) -> str:
    if text != APPLICATION and not re.fullmatch(r"web-\d+", text):
        raise Unreadable("")
    return text


def _peers(words: tuple[str, ...]) -> One:
    def parse(text: str) -> str:
        if text not in words and not re.fullmatch(r"web-\d+", text):
            raise Unreadable(choices(text, words).removeprefix("; "))
        return text

    schema: Schema = {"anyOf": [{"enum": list(words)}, {"type": "string", "pattern": r"^web-\d+$"}]}
    return One(f"{', '.join(words)}, or a web server such as web-1", parse, schema)


def _any_word(text: str) -> str:
    if not text:
        raise Unreadable("")
    return text


_ANY_WORD = One("a word", _any_word, {"type": "string"})
_OPTION_READERS: Mapping[OptionType, Reader] = {
    OptionType.DURATION: DURATION,
    OptionType.SIZE: SIZE,
    OptionType.COUNT: count(),
    OptionType.SHARD: count(),
    OptionType.FACTOR: FACTOR,
    OptionType.SHARE: SHARE,
    OptionType.FLAG: FLAG,
    OptionType.ENGINE: ENGINE,
    OptionType.DIRECTIVES: ConfigurationLines("redis"),
    OptionType.WEB_SERVER: One(
        "a web server such as web-1", _web_server, {"type": "string", "pattern": r"^web-\d+$"}
    ),
}
