"""The labelled equations of the book, the cells that check them, and the code that cites them."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from book import Page

TWIN = "twin:"
CITATION = re.compile(r":eq:`([^`]+)`")
# Code fences and unlabelled equations are matched as well, so that the search never starts inside one.
BLOCK = re.compile(
    r"^[ \t]*\$\$(?P<tex>.*?)\$\$(?:[ \t]*\((?P<label>[^()\s]+)\))?"
    r"|^(?P<fence>`{3,})\{math\}[ \t]*\n(?P<options>(?:[ \t]*:[^\n]*\n)*)(?P<body>.*?)^(?P=fence)"
    r"|^(?P<other>`{3,}|~{3,}).*?^(?P=other)",
    re.MULTILINE | re.DOTALL,
)
OPTION = re.compile(r":label:[ \t]*(\S+)")


@dataclass(frozen=True)
class Equation:
    """A labelled equation: where it stands, and the sources of the cells that check it."""

    label: str
    tex: str
    chapter: str
    twins: tuple[str, ...]


def equations(pages: Iterable[Page]) -> list[Equation]:
    """List the labelled equations of `pages`, in their order."""
    return [
        Equation(label, tex, page.name, tuple(twins(page, label)))
        for page in pages
        for cell in page.of_kind("markdown")
        for label, tex in labelled(cell.source)
    ]


def labelled(markdown: str) -> Iterator[tuple[str, str]]:
    """Yield label and TeX of each labelled equation in a Markdown text."""
    for match in BLOCK.finditer(markdown):
        option = OPTION.search(match["options"] or "")
        if match["label"]:
            yield match["label"], match["tex"].strip()
        elif option:
            yield option[1], match["body"].strip()


def twins(page: Page, label: str) -> Iterator[str]:
    """Yield the sources of the code cells that check the equation `label`."""
    return (cell.source for cell in page.of_kind("code") if TWIN + label in cell.tags)


def problems(pages: Iterable[Page]) -> list[str]:
    """Say what is wrong: a label used twice, an equation that nothing checks, a twin of nothing."""
    pages = list(pages)
    found = equations(pages)
    counts = Counter(equation.label for equation in found)
    repeated = [f"{label} labels {count} equations" for label, count in counts.items() if count > 1]
    unchecked = [
        f"{equation.chapter}: no cell is tagged {TWIN}{equation.label}"
        for equation in found
        if not equation.twins
    ]
    known = {(equation.chapter, equation.label) for equation in found}
    orphans = [
        f"{page.name}: a cell is tagged {tag}, but the chapter has no such equation"
        for page in pages
        for cell in page.of_kind("code")
        for tag in cell.tags
        if tag.startswith(TWIN) and (page.name, tag.removeprefix(TWIN)) not in known
    ]
    return repeated + unchecked + orphans


def citations(package: Path) -> dict[str, list[str]]:
    """Map each label that a docstring of `package` cites to the public names of the symbols that do so."""
    exported = _exports(package)
    found: dict[str, list[str]] = {}
    for file in sorted(package.rglob("*.py")):
        for symbol, docstring in _docstrings(file, _name(file, package), exported):
            for label in dict.fromkeys(CITATION.findall(docstring)):
                found.setdefault(label, []).append(symbol)
    return found


def _name(file: Path, package: Path) -> str:
    return ".".join(file.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__")


def _docstrings(file: Path, module: str, exported: dict[tuple[str, str], str]) -> Iterator[tuple[str, str]]:
    tree = ast.parse(file.read_text("utf8"))
    yield module, ast.get_docstring(tree) or ""
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            symbol = f"{exported.get((module, node.name), module)}.{node.name}"
            yield symbol, ast.get_docstring(node) or ""
            for part in node.body:
                if isinstance(part, ast.FunctionDef):
                    yield f"{symbol}.{part.name}", ast.get_docstring(part) or ""


def _exports(package: Path) -> dict[tuple[str, str], str]:
    """The names that a package takes over from a module, each with the package's own name."""
    return {
        (node.module or "", alias.asname or alias.name): _name(init, package)
        for init in sorted(package.rglob("__init__.py"))
        for node in ast.parse(init.read_text("utf8")).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
