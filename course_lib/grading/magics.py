"""A cell is not always Python: `%time f()`, `!pip install x`, `x = %sql ...`, `f?`, `get_ipython()...`.

None of them is needed to grade a function, and none should cost a student anything. Each becomes a comment
in its place, so that the other lines keep their numbers. Whether a line begins a statement is what decides:
a `%` within brackets or a `!` within a text is none of our business.
"""

import re
from collections.abc import Iterator

# The parts of Python that tell where a statement ends. Each alternative matches in linear time, closed or not.
PART = re.compile(
    r"""(?P<comment>\#[^\n]*)
      | (?P<text>\"{3}(?:\\?.)*?(?:\"{3}|\Z) | '{3}(?:\\?.)*?(?:'{3}|\Z)
               | "(?:\\.|[^"\\\n])*"? | '(?:\\.|[^'\\\n])*'?)
      | (?P<opens>[(\[{]) | (?P<closes>[)\]}])
      | (?P<joins>\\\n) | (?P<ends>\n)
      | [^\#"'(\[{)\]}\\\n]+ | \\""",
    re.VERBOSE | re.DOTALL,
)
# No Python statement begins like these.
MAGIC = re.compile(r"[ \t]*+(?:[%!?]|[\w., ]++=[ \t]*+(?:%\w|!(?!=))|[\w.*]++\?)(?:\\\n|[^\n])*+")
NOTEBOOK = re.compile(r"[ \t]*+(?:[\w., ]++=[ \t]*+)?get_ipython\(")


def without_magics(source: str) -> tuple[str, list[str]]:
    """The cell as Python, and what was turned into comments.

    Examples
    --------
    >>> without_magics("x = 1\\nfor i in y:\\n    %time f(i)")
    ('x = 1\\nfor i in y:\\n    pass  # %time f(i)', ['%time f(i)'])
    """
    kept, left_out = [], []
    for statement in _statements(source):
        asks_notebook = NOTEBOOK.match(statement) and not statement.rstrip().endswith(":")
        if asks_notebook or MAGIC.match(statement):
            left_out.append(statement.strip())
            statement = _comment(statement)
        kept.append(statement)
    return "".join(kept), left_out


def _statements(source: str) -> Iterator[str]:
    """Pieces that each begin where a statement may begin and end with its line; together they are the source."""
    start = 0
    while start < len(source):
        magic = MAGIC.match(source, start)
        end = min(magic.end() + 1, len(source)) if magic else _end(source, start)
        yield source[start:end]
        start = end


def _end(source: str, start: int) -> int:
    depth = 0
    for part in PART.finditer(source, start):
        if part["opens"]:
            depth += 1
        elif part["closes"]:
            depth = max(0, depth - 1)
        elif part["ends"] and depth == 0:
            return part.end()
    return len(source)


def _comment(statement: str) -> str:
    """The statement as a comment of as many lines; an indented one leaves a `pass`, for a block needs a statement."""
    ends = "\n" * statement.endswith("\n")
    first, *others = statement.removesuffix("\n").split("\n")
    indent = first[: len(first) - len(first.lstrip(" \t"))]
    lines = [f"{indent}{'pass  ' * bool(indent)}# {first.strip()}", *(f"# {line.strip()}" for line in others)]
    return "\n".join(lines) + ends
