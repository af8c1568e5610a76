"""YAML text to a node tree in which every node knows its file and line.

Nothing is converted here: scalars stay the text that the author wrote, so `appendonly: no` is the
word `no` and `1:30` is no number. Aliases point at the anchored node. Trap: an unquoted value that
begins with `>` is a folded block to YAML, and the message must say so, because every second
expectation begins with it.
"""

from __future__ import annotations

from pathlib import Path

import yaml

from harness.errors import UsageError

Node = yaml.Node
Mapping = yaml.MappingNode
Scalar = yaml.ScalarNode
Sequence = yaml.SequenceNode

QUOTE_IT = 'quote a value that begins with >, as in "> 0"'


def compose_file(path: Path) -> Node:
    """The tree of one document.

    Raises:
        UsageError: unreadable, not YAML, empty, or more than one document.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from error
    return compose_text(text, str(path))


def compose_text(text: str, name: str) -> Node:
    loader = yaml.SafeLoader(text)
    loader.name = name
    try:
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        said = " ".join(part for part in (error.context, error.problem) if part)
        hint = f"; {QUOTE_IT}" if error.context and "block scalar" in error.context else ""
        raise UsageError(f"{name}:{line}: not YAML: {said}{hint}") from error
    except yaml.YAMLError as error:
        raise UsageError(f"{name}: not YAML: {error}") from error
    finally:
        loader.dispose()
    if node is None:
        raise UsageError(f"{name}:1: expected a mapping, found an empty file")
    return node


def place(node: Node) -> str:
    """`file:line`, or the `--set` argument that the node came from."""
    mark = node.start_mark
    return mark.name if mark.name.startswith("--set") else f"{mark.name}:{mark.line + 1}"


def line(node: Node) -> int:
    return 0 if node.start_mark.name.startswith("--set") else int(node.start_mark.line) + 1


def found(node: Node) -> str:
    """The node's content as an error message shows it."""
    if isinstance(node, Scalar):
        return repr(node.value) if node.value else "nothing"
    return "a list" if isinstance(node, Sequence) else "a mapping"


def scalar(text: str, like: Node) -> Scalar:
    """A new piece of text in the place of `like`."""
    return Scalar("tag:yaml.org,2002:str", text, like.start_mark, like.end_mark)
