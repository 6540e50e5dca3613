"""Does a cell only define something, and what?

A cell only defines if at its top level stand nothing but imports, functions, classes, texts and assignments
to names of values that are written down or computed without effect: names, attributes, subscripts, arithmetic,
containers, comprehensions, lambdas (whatever these do once called), and calls of `math`, of torch's functions
that make numbers, and of a few builtins (`PURE`). What needs a loop, a file, a model or a random number is
work, not a definition.
"""

import ast
import re
import warnings
from collections.abc import Iterator
from typing import NamedTuple

from course_lib.grading.ipynb import LONGEST, Found
from course_lib.grading.magics import without_magics
from course_lib.grading.masters import Master

FUNCTION = re.compile(r"^(?:async[ \t]+)?def[ \t]+(\w+)", re.MULTILINE)
BUILTINS = "abs bool dict float frozenset int len list max min range round set sorted str sum tuple zip"
TENSORS = "arange device eye finfo full linspace ones tensor zeros"
PURE = {*BUILTINS.split(), *(f"torch.{name}" for name in TENSORS.split()), "partial", "functools.partial", "TypeVar"}


class Seen(NamedTuple):
    """A code cell, and what can be told of it without running it."""

    number: int
    tags: frozenset[str]
    source: str
    left_out: list[str]
    tasks: tuple[str, ...]
    names: frozenset[str]
    functions: frozenset[str]
    defines_only: bool


def look(cell: Found, exercise: Master) -> Seen:
    """What a cell defines, and for which tasks."""
    if len(cell.source) > LONGEST:
        left_out = [f"the whole cell, for it is longer than {LONGEST:,} characters"]
        nothing = frozenset()
        return Seen(cell.number, cell.tags, "", left_out, _tasks(cell, nothing, exercise), nothing, nothing, False)
    source, left_out = without_magics(cell.source)
    tree = _parsed(source)
    functions = frozenset(FUNCTION.findall(source))
    names = functions if tree is None else frozenset(_bound(tree))
    only = tree is not None and all(map(_is_definition, tree.body))
    return Seen(cell.number, cell.tags, source, left_out, _tasks(cell, names, exercise), names, functions, only)


def _tasks(cell: Found, names: frozenset[str], exercise: Master) -> tuple[str, ...]:
    """The tasks that a cell is for: what it defines counts, and its metadata where it defines nothing else."""
    by_names = tuple(task for task, functions in exercise.tasks.items() if functions & names)
    return by_names or ((cell.task,) if cell.task in exercise.tasks else ())


def _parsed(source: str) -> ast.Module | None:
    """The cell's statements, or None if this is not Python."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):  # the last two: nested too deeply
            return None


def _bound(tree: ast.Module) -> Iterator[str]:
    """The names that stand for something after the cell has run."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (name.asname or name.name for name in node.names)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (target.id for target in targets if isinstance(target, ast.Name))


def _is_definition(node: ast.stmt) -> bool:
    """Whether a statement does nothing but define, in the sense above."""
    if isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        names = [part for target in targets for part in (target.elts if isinstance(target, ast.Tuple) else [target])]
        return all(isinstance(name, ast.Name) for name in names) and _is_pure(node.value)
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    kinds = ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Pass
    return isinstance(node, (*kinds, getattr(ast, "TypeAlias", ast.Pass)))


def _is_pure(value: ast.expr | None) -> bool:
    if value is None:  # x: int
        return True
    nodes = list(_evaluated(value))
    if any(isinstance(node, ast.Await | ast.Yield | ast.YieldFrom | ast.NamedExpr) for node in nodes):
        return False
    called = [_dotted(node.func) for node in nodes if isinstance(node, ast.Call)]
    return all(name in PURE or name.startswith("math.") for name in called)


def _evaluated(value: ast.AST) -> Iterator[ast.AST]:
    """All nodes that are evaluated now; what a lambda does waits until it is called."""
    waiting = [value]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += [node.args] if isinstance(node, ast.Lambda) else ast.iter_child_nodes(node)


def _dotted(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name):
        return f"{function.value.id}.{function.attr}"
    return function.id if isinstance(function, ast.Name) else ""
