"""The wheel alone: in an environment that holds it and what it declares, and nothing else of this one."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
IMPORT_ALL = """
import importlib, pkgutil, sys, course
names = [found.name for found in pkgutil.walk_packages(course.__path__, "course.")]
if sys.platform != "linux":
    names = [name for name in names if "triton" not in name]
for name in names:
    importlib.import_module(name)
print(*names)
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of an environment in which only the wheel was installed."""
    folder = tmp_path_factory.mktemp("Kurs 注意力")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run([*pip, *build], check=True)
    venv.create(folder / "env", symlinks=True)
    programs = folder / "env" / "bin"
    install = ["--python", str(programs / "python"), "install", "--no-deps", "--no-index"]
    subprocess.run([*pip, *install, *map(str, folder.glob("course-*.whl"))], check=True)
    (packages,) = (folder / "env" / "lib").glob("python*/site-packages")
    (wheel,) = metadata.distributions(path=[str(packages)])
    for distribution in reached(wheel, {}).values():
        link(distribution, packages)
    return programs


def reached(
    distribution: metadata.Distribution,
    known: dict[str, metadata.Distribution],
    extras: frozenset = frozenset(),
) -> dict[str, metadata.Distribution]:
    """What a distribution needs, and what that needs in turn, as installed here."""
    for text in distribution.requires or []:
        needed = Requirement(text)
        asked = not needed.marker or any(needed.marker.evaluate({"extra": extra}) for extra in {"", *extras})
        name = canonicalize_name(needed.name)
        if asked and name not in known:
            known[name] = metadata.distribution(name)
            reached(known[name], known, frozenset(needed.extras))
    return known


def link(distribution: metadata.Distribution, packages: Path) -> None:
    """Show an installed distribution in another environment, without copying it."""
    home = Path(distribution.locate_file(""))
    for top in {file.parts[0] for file in distribution.files} - {"..", "__pycache__"}:
        if not (packages / top).exists():
            (packages / top).symlink_to(home / top)


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command far from the checkout."""
    foreign = ("PYTHON", "COURSE", "JUPYTER", "PYTEST", "VIRTUAL_ENV")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env=environment | {"PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        encoding="utf8",
    )


def test_every_module_is_imported(alone: Path, tmp_path: Path) -> None:
    ended = run(alone / "python", "-W", "error", "-c", IMPORT_ALL, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert "course.commands.main" in ended.stdout.split()


def test_what_is_not_declared_is_not_there(alone: Path, tmp_path: Path) -> None:
    """Or the other tests would prove nothing."""
    assert run(alone / "python", "-c", "import jupyterlab", cwd=tmp_path).returncode != 0


def test_a_learner_starts_and_checks(alone: Path, tmp_path: Path) -> None:
    looked = run(alone / "course", "doctor", cwd=tmp_path)
    assert looked.returncode == 0, looked.stdout + looked.stderr
    started = run(alone / "course", "start", "softmax", cwd=tmp_path)
    assert started.returncode == 0, started.stderr
    checked = run(alone / "course", "check", "softmax", cwd=tmp_path)
    assert "softmax.ipynb: 0 of" in checked.stdout, checked.stdout + checked.stderr
