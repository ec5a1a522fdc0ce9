"""Trust in a notebook that was just made."""

from __future__ import annotations

import json
import subprocess

import pytest

from course.exercises import trust


def test_the_notebook_is_signed(kit, tmp_path, monkeypatch):
    from nbformat import read
    from nbformat.sign import NotebookNotary

    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    path = tmp_path / "tiny.ipynb"
    path.write_text(json.dumps(kit.filled()), encoding="utf-8")
    trust.trust(path)
    notary = NotebookNotary(data_dir=str(tmp_path / "data"))
    assert notary.check_signature(read(path, as_version=4))
    notary.store.close()


@pytest.mark.parametrize("error", [FileNotFoundError(), subprocess.TimeoutExpired("jupyter", 1)])
def test_a_failure_is_no_matter(tmp_path, monkeypatch, error):
    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr(subprocess, "run", fail)
    trust.trust(tmp_path / "nothing.ipynb")


def test_without_jupyter_nothing_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(trust.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(subprocess, "run", lambda *arguments, **options: pytest.fail("it ran"))
    trust.trust(tmp_path / "nothing.ipynb")
