"""`--set path=value`: one setting changed in the tree before it is read.

The value goes through the same strict reading as the file, so a wrong one is refused with the
argument in the place of a line number. Trap: an anchored node is shared by its aliases; the nodes
on the path are copied, or one change would show in two places.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

import yaml

from harness.errors import UsageError
from harness.model.directives import Malformed, not_used, parsed
from harness.model.redaction import REDACTED, redacted, without_url_passwords
from harness.scenario import tree

TABLES = frozenset({"redis", "primary", "replica", "cache", "sentinel"})
"""Of directives, in a topology."""

PROFILE = "timing"
OF_THE_PROFILE = frozenset({"down_after", "failover_timeout", "node_timeout"})
"""Keys of a topology whose defaults the profile says."""


def apply(root: tree.Node, overrides: Sequence[str]) -> tree.Node:
    """A copy of the tree with every `path=value` applied, in order.

    Raises:
        UsageError: no `=`, a list index that does not exist, or a path through a scalar.
    """
    for given in overrides:
        path, equals, value = given.partition("=")
        # As messages call it: a misspelt key hides that its value is a secret, so they quote the value only
        # where they say what is wrong with it.
        override = redacted(path if equals else given)
        segments = [segment.strip() for segment in path.split(".")]
        if not equals or not all(segments) or len(segments) > tree.DEPTH_MAX:
            shown = tree.shortened(override)
            raise UsageError(f"--set {shown!r}: expected path=value, such as workload.rate=100/s")
        if reason := tree.unfit(given):
            raise UsageError(f"--set {tree.shortened(override)}: {reason}")
        root = _replace(root, segments, _value(value.strip(), override), override)
    return _with_the_times_of_its_profile(root, {one.partition("=")[0].strip() for one in overrides})


def _with_the_times_of_its_profile(root: tree.Node, changed: AbstractSet[str]) -> tree.Node:
    """A profile that the command names takes the place of the times that the file says: or two profiles
    would be one and the same run. A time that the command names as well stays."""
    for above in ("deployment.", ""):
        if f"{above}{PROFILE}" in changed:
            path = f"{above}topology"
            dropped = {key for key in OF_THE_PROFILE if f"{path}.{key}" not in changed}
            root = _without(root, path.split("."), dropped)
    return root


def _without(node: tree.Node, segments: Sequence[str], keys: AbstractSet[str]) -> tree.Node:
    """The same without these keys of a mapping below."""
    if not isinstance(node, tree.Mapping):
        return node
    if not segments:
        pairs = [(key, below) for key, below in node.value if key.value not in keys]
    else:
        first, *rest = segments
        pairs = [
            (key, _without(below, rest, keys) if key.value == first else below) for key, below in node.value
        ]
    return tree.Mapping(node.tag, pairs, node.start_mark, node.end_mark)


def with_engine(overrides: Sequence[str], engine: str | None) -> tuple[str, ...]:
    """The same, and then the engine that was asked for by its name."""
    return (*overrides, f"deployment.engine={engine}") if engine else tuple(overrides)


def without_secrets(override: str) -> str:
    """`path=value` as a command that repeats a run may show it: the same, but for the secrets in it. What no
    node is given, a misspelt directive for example, may be meant as one, and repeats as well without it."""
    path, _, value = override.partition("=")
    segments = [segment.strip() for segment in path.split(".")]
    in_table = segments[:2] == ["deployment", "topology"] and segments[2:3] and segments[2] in TABLES
    if in_table and len(segments) > 3 and _is_left_out(segments[3], value):
        return f"{path}={REDACTED}"
    if not value.lstrip().startswith("{"):
        return redacted(override)
    try:
        root = tree.compose_text(value, "--set")
    except UsageError:
        return redacted(override)
    for first, end in sorted(_secrets(root, in_table=bool(in_table)), reverse=True):
        value = f"{value[:first]}{REDACTED}{value[end:]}"
    return f"{path}={without_url_passwords(value)}"


def _is_left_out(name: str, value: str) -> bool:
    try:
        return not_used(parsed(name, value).name) is not None
    except Malformed:
        return True


def _secrets(node: tree.Node, *, in_table: bool = False) -> Iterator[tuple[int, int]]:
    """Where in its text what follows a directive that holds a secret, or is not used, begins and ends."""
    for key, value in node.value if isinstance(node, tree.Mapping) else ():
        if isinstance(value, tree.Mapping):
            yield from _secrets(value, in_table=in_table or str(key.value) in TABLES)
            continue
        items = value.value if isinstance(value, tree.Sequence) else [value]
        line = " ".join(str(one.value) for one in (key, *items))
        left_out = in_table and _is_left_out(
            str(key.value), str(getattr(items[0], "value", "")) if items else ""
        )
        if left_out or redacted(line) != line:
            yield value.start_mark.index, value.end_mark.index


def _value(text: str, override: str) -> tree.Node:
    mark = yaml.Mark(f"--set {tree.shortened(override)}", 0, 0, 0, "", 0)
    if text.startswith(("[", "{", '"', "'")):
        return tree.compose_text(text, mark.name)
    return tree.Scalar("tag:yaml.org,2002:str", text, mark, mark)


def _replace(node: tree.Node, segments: list[str], value: tree.Node, override: str) -> tree.Node:
    if not segments:
        return value
    first, rest = segments[0], segments[1:]
    if isinstance(node, tree.Mapping):
        return _replace_in_mapping(node, first, rest, value, override)
    if isinstance(node, tree.Sequence):
        return _replace_in_list(node, first, rest, value, override)
    where = f"--set {tree.shortened(override)}: {tree.shortened(first)!r}"
    raise UsageError(f"{where} lies below {tree.found(node)}, which has no keys")


def _replace_in_mapping(
    node: tree.Mapping, first: str, rest: list[str], value: tree.Node, override: str
) -> tree.Node:
    pairs = list(node.value)
    for index, (key, below) in enumerate(pairs):
        if key.value == first:
            pairs[index] = (key, _replace(below, rest, value, override))
            break
    else:  # a key left to its default; the strict reading refuses it if it is none
        mark = value.start_mark
        key = tree.Scalar("tag:yaml.org,2002:str", first, mark, mark)
        empty = tree.Mapping("tag:yaml.org,2002:map", [], mark, mark)
        pairs.append((key, _replace(empty, rest, value, override)))
    return tree.Mapping(node.tag, pairs, node.start_mark, node.end_mark)


def _replace_in_list(
    node: tree.Sequence, first: str, rest: list[str], value: tree.Node, override: str
) -> tree.Node:
    items = list(node.value)
    if not re.fullmatch("[0-9]{1,4}", first) or int(first) >= len(items):
        span = f"an index from 0 to {len(items) - 1}" if items else "no index, as the list is empty"
        raise UsageError(
            f"--set {tree.shortened(override)}: expected {span}, found {tree.shortened(first)!r}"
        )
    items[int(first)] = _replace(items[int(first)], rest, value, override)
    return tree.Sequence(node.tag, items, node.start_mark, node.end_mark)
