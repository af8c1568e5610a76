"""YAML text to a node tree in which every node knows its file and line.

Nothing is converted here: scalars stay the text that the author wrote, so `appendonly: no` is the
word `no` and `1:30` is no number. Aliases point at the anchored node. Trap: an unquoted value that
begins with `>` is a folded block to YAML, and the message must say so, because every second
expectation begins with it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import yaml

from harness.errors import UsageError
from harness.model.redaction import redacted
from harness.scenario.source import text_of

Node = yaml.Node
Mapping = yaml.MappingNode
Scalar = yaml.ScalarNode
Sequence = yaml.SequenceNode

QUOTE_IT = 'quote a value that begins with >, as in "> 0"'


QUOTE_COMMAS = (
    "within { } a comma ends a value or a key; quote what has a comma, [ or { in it, "
    'as in "latency(read, p99)" and "replica[lag=max]"'
)

DEPTH_MAX = 30
SCALAR_MAX = 4000
"""Letters of one value. Python reads no number of more than 4,300 digits."""

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_SHOWN = 60
"""Letters of a value that a message quotes."""


def compose_file(path: Path) -> Node:
    """The tree of one document.

    Raises:
        UsageError: unreadable, not YAML, empty, or more than one document.
    """
    return compose_text(text_of(path), str(path))


TREES_KEPT = 256


@lru_cache(maxsize=TREES_KEPT)
def compose_text(text: str, name: str) -> Node:
    """The same for a text. A file is read for each of its variations, so its tree is kept: nobody changes a
    node."""
    try:
        loader = _Loader(text)
    except yaml.YAMLError as error:  # a character that is none
        raise UsageError(f"{name}: not YAML: {error}") from error
    loader.name = name
    try:
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        said = " ".join(part for part in (error.context, error.problem) if part)
        hint = f"; {QUOTE_IT}" if error.context and "block scalar" in error.context else ""
        hint = hint or ("; indent with spaces" if "'\\t'" in said else "")
        flow = error.context and "flow" in error.context and "expected ','" in (error.problem or "")
        hint = hint or (f"; {QUOTE_COMMAS}" if flow else "")
        raise UsageError(f"{name}:{line}: not YAML: {said}{hint}") from error
    except (yaml.YAMLError, ValueError) as error:  # such as the escape of a character that does not exist
        raise UsageError(f"{name}:{loader.line + 1}: not YAML: {error}") from error
    finally:
        loader.dispose()
    if node is None:
        raise UsageError(f"{name}:1: expected a mapping, found an empty file")
    return node


class _Loader(yaml.SafeLoader):
    """Stops at what no scenario has: deep nesting, endless values, control characters written as escapes."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.depth += 1
        if self.depth > DEPTH_MAX:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise _refused(mark, f"nested more than {DEPTH_MAX} deep")
        node = super().compose_node(parent, index)
        self.depth -= 1
        if isinstance(node, Scalar) and (reason := unfit(node.value)):
            raise _refused(node.start_mark, reason)
        return node


def _refused(mark: yaml.Mark, reason: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=reason, problem_mark=mark)


def plain(node: Node) -> object:
    """A tree without its places: mappings, lists, and each scalar as the text that it is."""
    match node:
        case Mapping():
            return {str(plain(key)): plain(value) for key, value in node.value}
        case Sequence():
            return [plain(one) for one in node.value]
        case _:
            return str(node.value)


def unfit(text: str) -> str | None:
    """Why no value or key can be this text; None: it can."""
    if len(text) > SCALAR_MAX:
        return f"expected a value of at most {SCALAR_MAX} letters, found {len(text)}"
    if found := _CONTROL.search(text):
        return f"expected text, found the control character {ord(found[0]):#04x}"
    return None


def shortened(text: str) -> str:
    """For a message: the beginning of a value that may be anything, of one line, without secrets. Whoever
    names the wrong file must not find all of it in a log."""
    first = redacted(text.partition("\n")[0])
    return first if first == text and len(text) <= _SHOWN else f"{first[:_SHOWN]}…"


_PLAIN = re.compile(r"-*[\w./+][\w./+=@%:-]*(?<!:)")
"""What needs no quotes, wherever it is."""


def as_list(items: Iterable[str]) -> str:
    """As the file would have it, for a message; without secrets."""
    return redacted(f"[{', '.join(one if _PLAIN.fullmatch(one) else json.dumps(one) for one in items)}]")


def cut_off(mapping: Mapping, key: Scalar, value: Node) -> bool:
    """Whether a key within `{ }` is what a comma left of something else: no colon follows it."""
    return (
        bool(mapping.flow_style)
        and isinstance(value, Scalar)
        and value.start_mark.index == key.end_mark.index
    )


def place(node: Node) -> str:
    """`file:line`, or the `--set` argument that the node came from."""
    mark = node.start_mark
    return mark.name if mark.name.startswith("--set") else f"{mark.name}:{mark.line + 1}"


def line(node: Node) -> int:
    return 0 if node.start_mark.name.startswith("--set") else int(node.start_mark.line) + 1


def found(node: Node) -> str:
    """The node's content as an error message shows it."""
    if isinstance(node, Scalar):
        return repr(shortened(node.value)) if node.value else "nothing"
    return "a list" if isinstance(node, Sequence) else "a mapping"
