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
    """A code cell, and what can be told of it without running it.

    Attributes
    ----------
    number, tags, claimed
        As it was handed in; `claimed` is the task that its metadata name.
    source : str
        As Python.
    left_out : list of str
        What of it was not Python.
    tasks : tuple of str
        Those whose functions it defines; where it defines none, the claimed one.
    names : frozenset of str
        All that it gives a meaning to at its top level.
    functions : frozenset of str
        The functions and classes among them.
    defines_only : bool
    """

    number: int
    tags: frozenset[str]
    claimed: str
    source: str
    left_out: list[str]
    tasks: tuple[str, ...]
    names: frozenset[str]
    functions: frozenset[str]
    defines_only: bool


def look(cell: Found, exercise: Master) -> Seen:
    """What a cell defines, and for which tasks."""
    if len(cell.source) > LONGEST:
        source, left_out = "", [f"the whole cell, for it is longer than {LONGEST:,} characters"]
    else:
        source, left_out = without_magics(cell.source)
    tree = _parsed(source)
    functions = frozenset(FUNCTION.findall(source)) if tree is None else frozenset(_functions(tree))
    names = functions if tree is None else frozenset(_bound(tree))
    tasks = tuple(task for task, asked in exercise.tasks.items() if asked & functions)
    claimed = cell.task if cell.task in exercise.tasks else ""
    only = tree is not None and all(map(_is_definition, tree.body))
    tasks = tasks or (claimed,) * bool(claimed)
    return Seen(cell.number, cell.tags, claimed, source, left_out, tasks, names, functions, only)


def _parsed(source: str) -> ast.Module | None:
    """The cell's statements, or None if this is not Python."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(source)
        except (SyntaxError, ValueError, RecursionError, MemoryError):  # the last two: nested too deeply
            return None


def _functions(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))


def _bound(tree: ast.Module) -> Iterator[str]:
    yield from _functions(tree)
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from (name.asname or name.name for name in node.names)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name))


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
