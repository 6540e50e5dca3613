"""A page for each package of the library: the package's docstring, then each of its modules.

A module's docstring is its theory and comes first; below it stands what the module itself defines, in the
order of its source. The pages are made from the source files, so a new module appears by itself.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

LEFT_OUT = {"rebuild", "gradescope", "remote"}  # run by hand, or inside a sandbox


def write(root: Path, folder: Path) -> None:
    """Write the pages of all packages below `root / "course_lib"`."""
    folder.mkdir(parents=True)
    for package in packages(root / "course_lib"):
        name = _dotted(package, root)
        (folder / f"{name}.rst").write_text("\n".join(_page(package, name)), encoding="utf-8")


def packages(library: Path) -> list[Path]:
    """The folders of the library that have something to say."""
    found = [path.parent for path in sorted(library.rglob("__init__.py"))]
    return [path for path in found if not LEFT_OUT & set(path.relative_to(library).parts)]


def _page(package: Path, name: str) -> Iterator[str]:
    yield from (name, "=" * len(name), "")
    yield from _directive(package / "__init__.py", name)
    for path in sorted(package.glob("*.py")):
        if not path.stem.startswith("_"):
            yield from (path.stem, "-" * len(path.stem), "")
            yield from _directive(path, f"{name}.{path.stem}")


def _directive(path: Path, module: str) -> list[str]:
    members = public(path.read_text(encoding="utf-8"))
    shown = [f"   :members: {', '.join(members)}"] if members else []
    return [f".. automodule:: {module}", *shown, ""]


def public(code: str) -> list[str]:
    """The functions and classes that a module defines for others, in its order.

    Examples
    --------
    >>> public("from a import b\\ndef f(): ...\\nclass C: ...\\ndef _g(): ...")
    ['f', 'C']
    """
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    return [node.name for node in ast.parse(code).body if isinstance(node, kinds) and not node.name.startswith("_")]


def _dotted(package: Path, root: Path) -> str:
    return ".".join(package.relative_to(root).parts)
