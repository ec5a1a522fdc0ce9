"""Imports run down the list of rooms, and never in a circle; those that run later count as well."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src"
ROOMS = (
    *("commands", "exercises", "bank", "grading", "viz", "bench"),
    *("inference", "training", "models", "blocks", "positions", "attention", "kernels", "formulas"),
    *("data", "shapes", "files"),
)
DOTTED = re.compile(r"course(\.\w+)+")


def modules(source: Path) -> dict[str, Path]:
    """All modules of the package by their names."""
    paths = sorted((source / "course").rglob("*.py"))
    return {".".join(p.relative_to(source).with_suffix("").parts).removesuffix(".__init__"): p for p in paths}


def imported(path: Path, known: dict[str, Path]) -> Iterator[str]:
    """The modules that a file imports: by statement, or by a name in a string."""
    for node in ast.walk(ast.parse(path.read_text("utf8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative imports hide where they lead"
            for alias in node.names:
                deep = f"{node.module}.{alias.name}"
                yield from (name for name in ((deep if deep in known else node.module),) if name in known)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and DOTTED.fullmatch(node.value):
            # "course.kernels.tiled", also with the name of a function behind it
            parts = node.value.split(".")
            ends = (".".join(parts[:n]) for n in range(len(parts), 1, -1))
            yield from (name for name in [next((n for n in ends if n in known), None)] if name)


def arrows(source: Path) -> dict[str, set[str]]:
    known = modules(source)
    return {name: set(imported(path, known)) - {name, "course"} for name, path in known.items()}


def room(module: str) -> str:
    return module.split(".")[1]


def upward(found: dict[str, set[str]]) -> list[str]:
    """The arrows that run up."""
    return [
        f"{name} imports {other}"
        for name, others in found.items()
        if name != "course"
        for other in sorted(others)
        if ROOMS.index(room(other)) < ROOMS.index(room(name))
    ]


def circle(found: dict[str, set[str]]) -> list[str]:
    """One circle of imports, or nothing."""
    try:
        TopologicalSorter(found).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def test_every_room_is_in_the_list() -> None:
    assert {room(name) for name in modules(SOURCE) if name != "course"} == set(ROOMS)


def test_the_readme_lists_the_rooms_in_this_order() -> None:
    tree = (SOURCE.parent / "README.md").read_text("utf8").partition("\nsrc/course/")[2]
    assert tuple(re.findall(r"^  (\w+)(?:/|\.py) ", tree.partition("\ntests/")[0], re.MULTILINE)) == ROOMS


def test_imports_run_down() -> None:
    assert upward(arrows(SOURCE)) == []


def test_imports_make_no_circle() -> None:
    assert circle(arrows(SOURCE)) == []


@pytest.mark.parametrize(
    ("line", "up"),
    [
        ("from course.models import GPT", True),
        ("import course.models", True),
        ("def later():\n    from course.models.gpt import GPT", True),
        ("import importlib\nx = importlib.import_module('course.models.gpt')", True),
        ("x = backend('course.models.gpt.GPT')", True),
        ("from course.formulas import masks", False),
        ("'see course.models for more'", False),
    ],
)
def test_an_arrow_that_runs_up_is_seen(tmp_path: Path, line: str, up: bool) -> None:
    for name, text in {"models/gpt.py": "", "formulas/masks.py": "", "kernels/plain.py": line}.items():
        path = tmp_path / "course" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.parent.joinpath("__init__.py").touch()
        path.write_text(text, "utf8")
    assert bool(upward(arrows(tmp_path))) == up


def test_a_circle_is_seen() -> None:
    assert set(circle({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}})) == {"a", "b", "c"}
