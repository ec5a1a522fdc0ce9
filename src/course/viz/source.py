"""The library's own source, shown in a notebook."""

from __future__ import annotations

import ast
import functools
import inspect
import io
import re
import sys
import textwrap
import tokenize
from pathlib import PurePath
from typing import Any

TOOL_COMMENT = re.compile(r"\s*#\s*(noqa|fmt:|type:\s*ignore|pragma:|pyright:|ruff:).*")


def show(*objects: Any) -> None:
    """Show the source of functions, classes or methods, without their docstrings.

    The output is Markdown with one block of Python for each object, headed by the file it is from. It is the
    same as long as the source is, so that a stored output can be compared with the source of today.

    Args:
        *objects: What to show.

    Raises:
        TypeError: There is nothing to show, or an object has no Python source.
    """
    from IPython.display import display

    if not objects:
        raise TypeError("show: give at least one function, class or method.")
    blocks = [_block(item) for item in objects]
    names = ", ".join(_name(item) for item in objects)
    display(
        {"text/markdown": "\n\n".join(blocks), "text/plain": f"Source of {names}"}, raw=True
    )


def source(item: Any) -> str:
    """The source of `item` as it stands in its file, dedented, without docstrings and words to tools.

    Raises:
        TypeError: `item` has no Python source.
    """
    try:
        text = inspect.getsource(_definition(item))
    except (TypeError, OSError) as error:
        raise TypeError(
            f"show: {item!r} ({type(item).__name__}) has no Python source; "
            "give a function, class or method that is written in Python."
        ) from error
    return _without_tool_comments(_without_docstrings(textwrap.dedent(text))).strip("\n")


def _definition(item: Any) -> Any:
    if isinstance(item, property):
        item = item.fget
    if isinstance(item, functools.partial):
        item = item.func
    return inspect.unwrap(item) if callable(item) else item


def _block(item: Any) -> str:
    text = f"# {_file(item)}\n{source(item)}"
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}python\n{text}\n{fence}"


def _name(item: Any) -> str:
    definition = _definition(item)
    return getattr(definition, "__qualname__", type(item).__name__)


def _file(item: Any) -> str:
    """The file of `item` as its import name says it, the same wherever the package is installed."""
    definition = _definition(item)
    module = getattr(definition, "__module__", None)
    if module in (None, "__main__"):
        return "this notebook"
    path = module.replace(".", "/")
    file = getattr(sys.modules.get(module), "__file__", None) or ""
    path += "/__init__.py" if PurePath(file).stem == "__init__" else ".py"
    owner = definition.__qualname__.rpartition(".")[0]
    return f"{path}, in {owner}" if owner and "<locals>" not in owner else path


def _without_docstrings(text: str) -> str:
    lines = text.splitlines()
    owners = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, owners)]
    for node in sorted(nodes, key=lambda node: node.body[0].lineno, reverse=True):
        first = node.body[0]
        if ast.get_docstring(node, clean=False) is None or first.lineno == node.lineno:
            continue
        last = first.end_lineno
        replacement = [" " * first.col_offset + "..."] if len(node.body) == 1 else []
        while not replacement and last < len(lines) and not lines[last].strip():
            last += 1
        lines[first.lineno - 1 : last] = replacement
    return "\n".join(lines)


def _without_tool_comments(text: str) -> str:
    """Leave out what comments say to tools, such as ``# fmt: skip``: it is nothing to a reader."""
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT and (found := TOOL_COMMENT.search(token.string)):
            row, column = token.start
            kept = lines[row - 1][: column + found.start()].rstrip()
            lines[row - 1] = kept if kept else None
    return "\n".join(line for line in lines if line is not None)
