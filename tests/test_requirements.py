"""What is imported is declared, and what is pinned installs on every Python that the README promises."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]
DECLARED = {canonicalize_name(Requirement(text).name): Requirement(text) for text in PROJECT["dependencies"]}
STARTED = {"ipykernel"}
"""Declared though nothing imports it: the kernel in which exercises are checked."""

OLDEST = PROJECT["requires-python"].removeprefix(">=") + ".0"
NEWEST = "3.13.0"


def pins(name: str) -> dict[str, Requirement]:
    """The requirements that a file pins, by the names of their projects."""
    lines = (ROOT / name).read_text("utf8").splitlines()
    pinned = [Requirement(line) for line in lines if re.match(r"\w", line)]
    return {canonicalize_name(requirement.name): requirement for requirement in pinned}


def imported(folder: Path) -> Iterator[str]:
    """The names at the top of all that the files of a folder import, now or later."""
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield node.module.partition(".")[0]


def test_the_package_declares_what_it_imports_and_nothing_else() -> None:
    names = set(imported(ROOT / "src" / "course")) - sys.stdlib_module_names - {"course"}
    projects = metadata.packages_distributions()
    assert {canonicalize_name(projects.get(name, [name])[0]) for name in names} | STARTED == set(DECLARED)


def test_what_is_declared_is_pinned_within_its_bounds() -> None:
    pinned = pins("constraints.txt") | pins("requirements.txt")
    for name, requirement in DECLARED.items():
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
