"""The pages on the package name every module and function, and each function says what goes in and out."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from book import ROOT

SOURCE = ROOT / "src"
PAGES = "\n".join(path.read_text("utf8") for path in sorted((ROOT / "book/appendix/api").glob("*.md")))
DIRECTIVE = re.compile(r"^\.\. (?:auto|py:)(\w+):: ([\w.]+)(?:\(.*\))?\n(\s+:members:)?", re.MULTILINE)
SECTION = re.compile(r"^(\w+):\n((?:    .*\n?|\n)*)", re.MULTILINE)


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")


MODULES = [
    name
    for name in sorted(module_name(path) for path in (SOURCE / "course").rglob("*.py"))
    if not any(part.startswith("_") or part == "bank" for part in name.split("."))
]
PACKAGES = [name for name in MODULES if (SOURCE / name.replace(".", "/")).is_dir()]


def exported() -> dict[str, Any]:
    """The functions and classes that a package exports, and those of `course.shapes`."""
    found = {}
    for package in [*PACKAGES, "course.shapes"]:
        module = importlib.import_module(package)
        names = getattr(module, "__all__", None) or own_names(module)
        found |= {f"{package}.{name}": getattr(module, name) for name in names}
    return {name: item for name, item in found.items() if inspect.isfunction(item) or inspect.isclass(item)}


def own_names(module: ModuleType) -> list[str]:
    return [
        name
        for name, item in vars(module).items()
        if not name.startswith("_") and getattr(item, "__module__", None) == module.__name__
    ]


EXPORTED = exported()


def sections(item: Any) -> dict[str, str]:
    return dict(SECTION.findall(inspect.getdoc(item) or ""))


def documented_names(section: str) -> list[str]:
    return re.findall(r"^    \*{0,2}(\w+):", section, re.MULTILINE)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_named_or_exported_by_its_package(name: str) -> None:
    package = name.rpartition(".")[0]
    is_exported = any(
        key.startswith(f"{package}.") and item.__module__ == name for key, item in EXPORTED.items()
    )
    assert is_exported or re.search(rf"(?<![\w.]){re.escape(name)}(?![\w.]*\w)", PAGES)


@pytest.mark.parametrize("name", EXPORTED)
def test_a_public_name_has_an_entry(name: str) -> None:
    directives = DIRECTIVE.findall(PAGES)
    whole = {target for kind, target, members in directives if kind == "module" and members}
    assert name.rpartition(".")[0] in whole or name in {target for _, target, _ in directives}


def test_every_entry_exists() -> None:
    for kind, target, _ in DIRECTIVE.findall(PAGES):
        if kind == "module":
            importlib.import_module(target)
        else:
            owner, _, attribute = target.rpartition(".")
            assert hasattr(importlib.import_module(owner), attribute)


@pytest.mark.parametrize("name", EXPORTED)
def test_a_docstring_says_what_goes_in_and_out(name: str) -> None:
    item = EXPORTED[name]
    docstring = inspect.getdoc(item)
    assert docstring, "no docstring"
    assert docstring.splitlines()[0].endswith((".", ":")), "the first line is one sentence"
    if inspect.isclass(item):
        return
    found = sections(item)
    parameters = list(inspect.signature(item).parameters)
    if len(parameters) > 1 or "Args" in found:
        assert documented_names(found.get("Args", "")) == parameters
    returns = inspect.signature(item).return_annotation
    if returns not in ("None", None, "NoReturn") and len(parameters) > 1:
        assert "Returns" in found
    if hasattr(item, "__wrapped__"):
        assert "Raises" in found, "a checked function says what it raises"


@pytest.mark.parametrize("name", [name for name, item in EXPORTED.items() if inspect.isfunction(item)])
def test_the_value_returned_is_no_type(name: str) -> None:
    """A colon in the first line of Returns makes Sphinx take what stands before it for a type."""
    first = sections(EXPORTED[name]).get("Returns", "").strip().partition("\n")[0]
    assert not re.match(r"[^`]*: ", first)
