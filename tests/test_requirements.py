"""What is imported is declared, and what is pinned installs on every Python that the README promises."""

from __future__ import annotations

import ast
import functools
import json
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]


def by_name(texts: Iterable[str]) -> dict[str, Requirement]:
    return {canonicalize_name(Requirement(text).name): Requirement(text) for text in texts}


DECLARED = by_name(PROJECT["dependencies"])
EXTRA = by_name(PROJECT["optional-dependencies"]["chapters"])
STARTED = {"ipykernel"}
"""Declared though nothing imports it: the kernel in which exercises are checked."""

OLDEST = PROJECT["requires-python"].removeprefix(">=") + ".0"
NEWEST = "3.13.0"


def pins(name: str) -> dict[str, Requirement]:
    """The requirements that a file pins, by the names of their projects."""
    lines = (ROOT / name).read_text("utf8").splitlines()
    return by_name(line for line in lines if re.match(r"\w", line))


@functools.cache
def projects() -> dict[str, str]:
    """The projects that brought what can be imported here."""
    found = metadata.packages_distributions()
    return {name: canonicalize_name(names[0]) for name, names in found.items()}


def imported(sources: Iterable[str]) -> set[str]:
    """The projects from which code imports, at once or later; the standard library does not count."""
    names = set()
    for node in (node for source in sources for node in ast.walk(ast.parse(source))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module.partition(".")[0])
    return {projects().get(name, name) for name in names - sys.stdlib_module_names - {"course"}}


def code(folder: Path) -> Iterator[str]:
    """The code cells of the notebooks of a folder."""
    for path in folder.rglob("*.ipynb"):
        for cell in json.loads(path.read_text("utf8"))["cells"]:
            if cell["cell_type"] == "code":
                yield "".join(cell["source"])


def test_the_package_declares_what_it_imports_and_nothing_else() -> None:
    sources = [path.read_text("utf8") for path in (ROOT / "src" / "course").rglob("*.py")]
    assert imported(sources) | STARTED == set(DECLARED)


def test_exercises_need_nothing_else() -> None:
    for folder in ("exercises", "solutions"):
        assert imported(code(ROOT / "book" / folder)) <= set(DECLARED)


def test_chapters_need_the_extra_and_nothing_else() -> None:
    assert imported(code(ROOT / "book")) - set(DECLARED) == set(EXTRA)


def test_what_is_declared_is_pinned_within_its_bounds() -> None:
    pinned = pins("constraints.txt") | pins("requirements.txt")
    for name, requirement in (DECLARED | EXTRA).items():
        version = str(pinned[name].specifier).removeprefix("==")
        assert requirement.specifier.contains(version), name
        assert str(requirement.marker) == str(pinned[name].marker), name


def test_nothing_is_pinned_to_two_versions() -> None:
    required, constrained = pins("requirements.txt"), pins("constraints.txt")
    shared = set(required) & set(constrained)
    assert [name for name in shared if required[name].specifier != constrained[name].specifier] == []


@pytest.mark.parametrize("python", [OLDEST, NEWEST])
def test_what_is_installed_installs_on(python: str) -> None:
    """Debian 12 has Python 3.11.2, where a pin that needs 3.11.5 stops the whole installation."""
    needs = {d.name: SpecifierSet(d.metadata.get("Requires-Python") or "") for d in metadata.distributions()}
    assert [f"{name} needs Python {need}" for name, need in needs.items() if not need.contains(python)] == []


def test_what_is_installed_is_what_is_pinned() -> None:
    """Or the test above would say nothing about the pins."""
    pinned = pins("constraints.txt") | pins("requirements.txt")
    here = {canonicalize_name(distribution.name): distribution for distribution in metadata.distributions()}
    for name, requirement in pinned.items():
        if name in here:
            assert requirement.specifier.contains(Version(here[name].version).public), name
