"""show(): the source of today, without docstrings, with nothing that changes from run to run."""

from __future__ import annotations

import ast
import functools
import inspect

import pytest
import torch

import course.viz
from course.attention import attend
from course.shapes import checked
from course.viz import show
from course.viz.source import source


class Sample(torch.nn.Module):
    """A class.

    With a long docstring.
    """

    size = 3

    def __init__(self) -> None:
        """Make one."""
        super().__init__()

    @property
    def double(self) -> int:
        """Twice the size."""

        return 2 * self.size  # a comment stays

    def text(self) -> str:
        """A string that is no docstring stays."""
        return """not a docstring"""

    def nothing(self):
        """Only a docstring."""


def one_line(): """Gone, but on the line of its def."""  # fmt: skip


def for_tools(x: int) -> int:
    y = [x,  x]  # fmt: skip
    # type: ignore
    z = "# noqa: in a string"  # why it is so  # type: ignore
    return y[0] + len(z)  # pragma: no cover


@functools.lru_cache
def wrapped(x):
    """Gone."""
    return x


def fenced():
    return "```"


def shown(capture):
    (output,) = capture
    return output.data


@pytest.fixture
def capture(monkeypatch):
    from IPython.utils.capture import RichOutput

    outputs = []
    monkeypatch.setattr(
        "IPython.display.display", lambda data, raw: outputs.append(RichOutput(data)) if raw else None
    )
    return outputs


def test_a_function_of_the_library_with_its_file(capture):
    show(attend)
    data = shown(capture)
    assert set(data) == {"text/markdown", "text/plain"}
    markdown = data["text/markdown"]
    assert markdown.startswith("```python\n# course/attention/attend.py\n@checked\ndef attend(\n")
    assert markdown.endswith("\n```")
    assert data["text/plain"] == "Source of attend"


def test_the_shown_source_is_the_source_but_for_the_docstring(capture):
    show(attend)
    code = shown(capture)["text/markdown"].removeprefix("```python\n").removesuffix("\n```")
    mine, theirs = ast.parse(code), ast.parse(inspect.getsource(attend))
    del theirs.body[0].body[0]
    assert ast.dump(mine) == ast.dump(theirs)
    assert attend.__doc__.splitlines()[0] not in code


def test_a_class_keeps_its_comments_and_its_layout():
    text = source(Sample)
    assert text.startswith("class Sample(torch.nn.Module):\n    size = 3\n\n    def __init__")
    assert '"""Make one."""' not in text
    assert "# a comment stays" in text
    assert '"""not a docstring"""' in text
    assert text.endswith("def nothing(self):\n        ...")
    ast.parse(text)


def test_methods_and_properties():
    assert source(Sample.text).startswith("def text(self)")
    assert source(Sample.double) == (
        "@property\ndef double(self) -> int:\n    return 2 * self.size  # a comment stays"
    )
    assert source(Sample().text) == source(Sample.text)


def test_decorators_are_kept():
    assert source(wrapped) == "@functools.lru_cache\ndef wrapped(x):\n    return x"
    assert source(functools.partial(wrapped, 1)) == source(wrapped)


def test_a_docstring_on_the_line_of_its_def_is_kept():
    assert "Gone" in source(one_line)


def test_comments_for_tools_are_left_out_and_others_kept():
    assert source(for_tools) == (
        "def for_tools(x: int) -> int:\n"
        "    y = [x,  x]\n"
        '    z = "# noqa: in a string"  # why it is so\n'
        "    return y[0] + len(z)"
    )


def test_the_header_names_the_file_and_the_owner(capture):
    show(checked, torch.nn.Linear.forward, course.viz.explorer(torch.eye(2), ["a", "b"]).save)
    markdown = shown(capture)["text/markdown"]
    headers = [block.splitlines()[0] for block in markdown.split("```python\n")[1:]]
    assert headers == [
        "# course/shapes.py",
        "# torch/nn/modules/linear.py, in Linear",
        "# course/viz/explorer.py, in Explorer",
    ]
    assert shown(capture)["text/plain"] == "Source of checked, Linear.forward, Explorer.save"


def test_a_function_of_a_notebook(capture, monkeypatch):
    monkeypatch.setattr(fenced, "__module__", "__main__")
    show(fenced)
    markdown = shown(capture)["text/markdown"]
    assert markdown.startswith("````python\n# this notebook\n")
    assert markdown.endswith("\n````")


@pytest.mark.parametrize("thing", [len, torch.exp, 3, "text", torch.nn.functional.linear])
def test_what_has_no_source(thing):
    with pytest.raises(TypeError, match="has no Python source; give a function, class or method"):
        show(thing)


def test_nothing_to_show():
    with pytest.raises(TypeError, match="give at least one"):
        show()
