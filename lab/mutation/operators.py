"""Source text -> mutants: everything that could be changed in it, one small change at a time. Pure.

Each mutant replaces the text of one node of the syntax tree and leaves every other character alone, so
lines keep their numbers up to the change. Left out is what nobody could notice or what is no decision:
docstrings, annotations, decorators, text for people (strings with a blank, f-strings, messages of `raise`),
and what only guards against a mistake in the code itself (`assert`, `zip(strict=True)`).
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

Change = tuple[ast.AST, str, str]
"""A node, the text that replaces it, and the kind of change."""

COMPARED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
CALCULATED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
OPPOSITE = {
    "min": "max",
    "max": "min",
    "any": "all",
    "all": "any",
    "minimum": "maximum",
    "maximum": "minimum",
}
TRANSPARENT = frozenset({"abs", "sorted", "reversed", "set", "frozenset", "unique"})
"""Calls whose first argument could stand alone."""
EMPTY = {"tuple": "()", "list": "[]", "dict": "{}", "frozenset": "frozenset()", "set": "set()"}
OPTIONAL_WORDS = frozenset({"key", "default", "reverse", "start", "side"})
"""Keywords that a call works without."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One change. Offsets are in bytes of the file."""

    file: str
    scope: str
    """Function or class that it is in; empty at the top of the module."""
    kind: str
    line: int
    first_line: int
    last_line: int
    """Of the statement, or of its head: who runs one of these lines could notice."""
    start: int
    end: int
    replacement: str
    before: str
    after: str
    """The lines as they are, and as they would be, without indentation."""
    key: str
    """The same mutant, as long as the definition that it is in is the same."""

    def applied(self, source: bytes) -> bytes:
        return source[: self.start] + self.replacement.encode() + source[self.end :]


def mutants_of(file: str, source: bytes) -> list[Mutant]:
    """All of them, in the order of the file."""
    text = _Text(file, source)
    found: dict[str, Mutant] = {}
    for place in _places(ast.parse(source)):
        for node, replacement, kind in _changes(place.node, place.parent, place.returns):
            mutant = text.mutant(place, node, replacement, kind)
            if mutant.before != mutant.after:
                found.setdefault(mutant.key, mutant)
    return sorted(found.values(), key=lambda mutant: (mutant.start, mutant.end))


# ---------------------------------------------------------------- where


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    node: ast.AST
    parent: ast.AST
    scope: str
    returns: str
    """What the function around it says it returns."""
    statement: ast.stmt
    definition: ast.stmt
    """The statement at the top of the module."""


def _places(module: ast.Module) -> Iterator[_Place]:
    for definition in module.body:
        place = _Place(
            node=definition, parent=module, scope="", returns="", statement=definition, definition=definition
        )
        yield from _below(place)


def _below(place: _Place) -> Iterator[_Place]:
    """The place, and everything in it."""
    node = place.node
    if _for_people(node):
        return
    outside = place
    if isinstance(node, ast.stmt):
        place = outside = replace(place, statement=node)
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        returns = getattr(node, "returns", None)
        place = replace(
            place,
            scope=f"{place.scope}.{node.name}".removeprefix("."),
            returns="" if returns is None else ast.unparse(returns),
        )
    yield place
    for name, value in ast.iter_fields(node):
        if name in ("decorator_list", "annotation", "returns", "type_params"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                # Defaults are evaluated where the function is defined, not where it is called.
                around = outside if isinstance(child, ast.arguments) else place
                yield from _below(replace(around, node=child, parent=node))


def _for_people(node: ast.AST) -> bool:
    """Not a decision of the program: text, types, imports, what only the type checker reads."""
    if isinstance(node, ast.Import | ast.ImportFrom | ast.Raise | ast.Assert | ast.JoinedStr):
        return True
    if isinstance(node, ast.keyword) and node.arg == "strict":
        return True
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    if isinstance(node, ast.Assign):
        # A name for a type, or what is exported.
        return any(isinstance(target, ast.Name) and target.id == "__all__" for target in node.targets)
    return isinstance(node, ast.Call) and _name(node.func) in ("cast", "TypeVar")


# ---------------------------------------------------------------- what


def _changes(node: ast.AST, parent: ast.AST, returns: str) -> Iterator[Change]:
    match node:
        case ast.Compare():
            yield from _comparisons(node)
        case ast.BoolOp():
            yield from _conditions(node)
        case ast.UnaryOp():
            yield node, f"({ast.unparse(node.operand)})", "dropped sign"
        case ast.BinOp():
            if type(node.op) in CALCULATED and not _is_text(node):
                other = ast.BinOp(node.left, CALCULATED[type(node.op)](), node.right)
                yield node, f"({ast.unparse(other)})", "arithmetic"
        case ast.Constant():
            yield from _constants(node)
        case ast.Call():
            yield from _calls(node)
        case ast.Set() | ast.List() | ast.Tuple() | ast.Dict():
            yield from _members(node, parent)
        case ast.comprehension():
            for condition in node.ifs:
                yield condition, "True", "dropped filter"
        case ast.IfExp():
            yield node, f"({ast.unparse(node.body)})", "condition always"
            yield node, f"({ast.unparse(node.orelse)})", "condition never"
        case ast.stmt():
            yield from _statements(node, returns)


def _comparisons(node: ast.Compare) -> Iterator[Change]:
    for n, operator in enumerate(node.ops):
        for other in COMPARED.get(type(operator), ()):
            operators = [*node.ops[:n], other(), *node.ops[n + 1 :]]
            yield node, f"({ast.unparse(ast.Compare(node.left, operators, node.comparators))})", "comparison"


def _conditions(node: ast.BoolOp) -> Iterator[Change]:
    other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    yield node, f"({ast.unparse(ast.BoolOp(other, node.values))})", "and/or"
    for n in range(len(node.values)):
        rest = [*node.values[:n], *node.values[n + 1 :]]
        kept = rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)
        yield node, f"({ast.unparse(kept)})", "dropped condition"


def _constants(node: ast.Constant) -> Iterator[Change]:
    value = node.value
    if isinstance(value, bool):
        yield node, str(not value), "constant"
    elif isinstance(value, int):
        yield node, f"({value + 1})", "constant"
        yield node, f"({value - 1})", "constant"
    elif isinstance(value, float):
        yield node, f"({value * 2 or 1.0!r})", "constant"
    elif isinstance(value, str) and value and not any(sign.isspace() for sign in value):
        yield node, repr(value + "x"), "constant"


def _calls(node: ast.Call) -> Iterator[Change]:
    name = _name(node.func)
    if name in OPPOSITE:
        function = ast.unparse(node.func).removesuffix(name) + OPPOSITE[name]
        yield node.func, function, "min/max, any/all"
    if name in TRANSPARENT and node.args:
        yield node, f"({ast.unparse(node.args[0])})", "removed call"
    if name in ("min", "max", "minimum", "maximum") and len(node.args) > 1:
        for argument in node.args:
            if not isinstance(argument, ast.Starred):
                yield node, f"({ast.unparse(argument)})", "removed call"
    if len(node.args) > 1 and name not in OPPOSITE:
        if any(isinstance(argument, ast.Starred) for argument in node.args[:2]):
            return
        first, second, *others = node.args
        if ast.dump(first) != ast.dump(second):
            swapped = [second, first, *others]
            yield node, ast.unparse(ast.Call(node.func, swapped, node.keywords)), "swapped arguments"
    for n, word in enumerate(node.keywords):
        if word.arg in OPTIONAL_WORDS:
            rest = [*node.keywords[:n], *node.keywords[n + 1 :]]
            yield node, ast.unparse(ast.Call(node.func, node.args, rest)), "dropped argument"


def _members(node: ast.Set | ast.List | ast.Tuple | ast.Dict, parent: ast.AST) -> Iterator[Change]:
    if isinstance(node, ast.Dict):
        for n in range(len(node.keys)):
            rest = ast.Dict([*node.keys[:n], *node.keys[n + 1 :]], [*node.values[:n], *node.values[n + 1 :]])
            yield node, ast.unparse(rest), "dropped member"
        return
    if not isinstance(node.ctx if not isinstance(node, ast.Set) else ast.Load(), ast.Load):
        return
    if isinstance(node, ast.Tuple) and not _in_a_collection(parent):
        return
    for n in range(len(node.elts)):
        rest_of = [*node.elts[:n], *node.elts[n + 1 :]]
        if isinstance(node, ast.Set):
            yield node, ast.unparse(ast.Set(rest_of)) if rest_of else "set()", "dropped member"
        else:
            yield node, ast.unparse(type(node)(rest_of, ast.Load())), "dropped member"


def _in_a_collection(parent: ast.AST) -> bool:
    """A tuple of things of a kind; one of two values that belong together would only break."""
    if isinstance(parent, ast.Compare):
        return True
    if isinstance(parent, ast.Assign):
        return not any(isinstance(target, ast.Tuple) for target in parent.targets)
    return isinstance(parent, ast.AnnAssign | ast.For)


def _statements(node: ast.stmt, returns: str) -> Iterator[Change]:
    match node:
        case ast.If() | ast.While():
            if not _only_types(node.test):
                yield node.test, "False", "condition never"
            if isinstance(node, ast.If) and not _only_types(node.test):
                yield node.test, "True", "condition always"
        case ast.Expr(value=ast.Call() | ast.Await()) | ast.AugAssign():
            yield node, "pass", "removed statement"
        case ast.Assign(targets=[ast.Subscript() | ast.Attribute()]):
            yield node, "pass", "removed statement"
        case ast.Delete() | ast.Break() | ast.Continue():
            yield node, "pass", "removed statement"
        case ast.Return(value=ast.expr() as value):
            for other in _others(returns):
                if ast.unparse(value) != other:
                    yield value, other, "return value"


def _only_types(test: ast.expr) -> bool:
    return isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"


def _others(annotation: str) -> list[str]:
    """Plain values of the type that a function says it returns."""
    if annotation == "bool":
        return ["True", "False"]
    if annotation.endswith("| None"):
        return ["None"]
    return [EMPTY[kind]] if (kind := annotation.partition("[")[0]) in EMPTY else []


def _is_text(node: ast.AST) -> bool:
    """Strings are only ever joined, and types united."""
    return any(
        isinstance(part, ast.JoinedStr)
        or (isinstance(part, ast.Constant) and isinstance(part.value, str | None))
        for part in ast.walk(node)
    )


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


# ---------------------------------------------------------------- text


class _Text:
    """One file: nodes to byte offsets and lines."""

    def __init__(self, file: str, source: bytes) -> None:
        self._file = file
        self._source = source
        self._starts = [0]
        for line in source.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))

    def mutant(self, place: _Place, node: ast.AST, replacement: str, kind: str) -> Mutant:
        start, end = self._span(node)
        first, last = _lines(place.statement)
        line = node.lineno  # type: ignore[attr-defined]
        definition_start, definition_end = self._span(place.definition)
        identity = (
            self._file,
            self._source[definition_start:definition_end],
            start - definition_start,
            end - start,
            replacement,
        )
        return Mutant(
            file=self._file,
            scope=place.scope,
            kind=kind,
            line=line,
            first_line=min(first, line),
            last_line=max(last, line),
            start=start,
            end=end,
            replacement=replacement,
            before=self._around(start, end, self._source[start:end]),
            after=self._around(start, end, replacement.encode()),
            key=hashlib.sha256(repr(identity).encode()).hexdigest()[:16],
        )

    def _span(self, node: ast.AST) -> tuple[int, int]:
        start = self._starts[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]
        end = self._starts[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]
        return start, end

    def _around(self, start: int, end: int, text: bytes) -> str:
        """The whole lines around a span, with this text in it, as one line."""
        opening = self._source.rfind(b"\n", 0, start) + 1
        closing = self._source.find(b"\n", end)
        closing = len(self._source) if closing < 0 else closing
        lines = (self._source[opening:start] + text + self._source[end:closing]).decode()
        return " ".join(line.strip() for line in lines.splitlines())


def _lines(statement: ast.stmt) -> tuple[int, int]:
    """Of a simple statement all lines, of a compound one its head."""
    body = getattr(statement, "body", None) or getattr(statement, "cases", None)
    if isinstance(body, list) and body:
        first = body[0].pattern if isinstance(body[0], ast.match_case) else body[0]
        return statement.lineno, max(statement.lineno, first.lineno - 1)
    return statement.lineno, statement.end_lineno or statement.lineno
