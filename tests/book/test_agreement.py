"""Outputs are compared number by number: rounding passes, and nothing else does."""

from __future__ import annotations

import base64
import io
import subprocess
import sys
from pathlib import Path

import nbformat
import notebooks
import numpy as np
import pytest
from agreement import Agreement, settle
from nbformat.v4 import new_code_cell, new_notebook, new_output
from PIL import Image

CURVE = (
    '<svg id="figure"><path id="C0_0_{name}" d="M {x} 20 \nL 30 40.5" style="fill: #1e3050"/>{image}</svg>'
)


def curve(x: str = "10.25", name: str = "0123456789", shade: int | None = None) -> str:
    image = ""
    if shade is not None:
        stream = io.BytesIO()
        Image.fromarray(np.full((2, 2, 3), shade, np.uint8)).save(stream, "png")
        image = f'<image xlink:href="data:image/png;base64,{base64.b64encode(stream.getvalue()).decode()}"/>'
    return CURVE.format(x=x, name=name, image=image)


@pytest.mark.parametrize(
    ("came", "stored"),
    [
        ("loss 0.124, right", "loss 0.123, right"),
        ("[0.5  1.  ]", "[0.5   0.9999]"),
        ("best 0.5", "best 0.499"),
        ("error 3e-05", "error 2e-05"),
        ("error 9e-16", "error 1e-15"),
        ("x = -0.00", "x =  0.00"),
        ("x = −1.21", "x = −1.22"),
        ("loss 10.00 of 12", "loss  9.99 of 12"),
    ],
)
def test_one_unit_in_the_last_printed_place_is_rounding(came: str, stored: str) -> None:
    assert Agreement().texts(came, stored)
    assert Agreement().texts(stored, came)


@pytest.mark.parametrize(
    ("came", "stored"),
    [
        ("loss 0.125", "loss 0.123"),
        ("loss 0.123 falls", "loss 0.123 rises"),
        ("in 8 steps", "in 7 steps"),
        ("in 8 steps.", "in 7 steps."),
        ("[1. 2.]", "[1. 3.]"),
        ("tensor([1.])", "tensor([0.])"),
        ("error 1e-05", "error 1e-07"),
        ("x = 1.2", "x = -1.2"),
        ("x = inf", "x = 1.2"),
        ("x = nan", "x = 1.2"),
        ("float32 0.5", "float64 0.5"),
        ("0.5 0.5", "0.5"),
        ("True", "False"),
    ],
)
def test_all_else_is_a_difference(came: str, stored: str) -> None:
    assert not Agreement().texts(came, stored)
    assert not Agreement().texts(stored, came)


def test_a_stated_tolerance_is_kept() -> None:
    relative, absolute = Agreement(rtol=1e-2), Agreement(atol=0.05)
    assert relative.texts("12.57", "12.50")
    assert not relative.texts("12.65", "12.50")
    assert absolute.texts("0.14", "0.10")
    assert not absolute.texts("0.16", "0.10")
    assert not absolute.texts("3 of 0.14", "4 of 0.10")


def test_a_measurement_always_agrees() -> None:
    one, other = (new_output("stream", text=text) for text in ("12 times as fast", "3 wrong: a, b, c"))
    assert settle([one, one], [other], Agreement(measured=True)) == [other]
    assert settle([one], [], Agreement(measured=True)) == [one]


def test_the_cell_states_its_tolerance_before_the_notebook() -> None:
    notebook = new_notebook(metadata={"course": {"covers": [], "rtol": 1e-3, "pixels": 2}})
    cell = new_code_cell(metadata={"course": {"rtol": 1e-2}})
    assert Agreement.of(cell, notebook) == Agreement(rtol=1e-2, pixels=2)
    cell.metadata.course.measured = "0123456789abcdef"
    assert Agreement.of(cell, notebook).measured
    assert Agreement.of(new_code_cell(), new_notebook()) == Agreement()


def test_a_figure_may_move_by_half_a_pixel() -> None:
    assert Agreement().figures(curve("10.7"), curve("10.25"))
    assert not Agreement().figures(curve("10.8"), curve("10.25"))
    assert Agreement(pixels=5).figures(curve("14"), curve("10.25"))
    assert Agreement().figures(curve(name="9876543210"), curve())
    assert not Agreement(pixels=5).figures(curve().replace("#1e3050", "#1e3051"), curve())
    assert not Agreement(pixels=5).figures(curve().replace("L 30 40.5", ""), curve())


def test_an_embedded_image_may_be_shaded_a_little_differently() -> None:
    assert Agreement().figures(curve(shade=101), curve(shade=100))
    assert not Agreement().figures(curve(shade=140), curve(shade=100))
    assert not Agreement().figures(curve(shade=100), curve())


def test_what_agrees_stays_as_it_is_stored() -> None:
    stored = [new_output("stream", text="0.1\n"), new_output("display_data", {"text/plain": "0.5"})]
    came = [new_output("stream", text="0.2\n"), new_output("display_data", {"text/plain": "0.7"})]
    assert settle(came, stored, Agreement()) == [stored[0], came[1]]
    assert settle(came[:1], stored, Agreement()) == came[:1]
    html = [new_output("display_data", {"text/plain": "0.5", "text/html": ""})]
    assert settle(html, stored[1:], Agreement()) == html


@pytest.mark.slow
def test_nbval_compares_numbers(tmp_path: Path) -> None:
    printed = "loss 0.50 in 3 steps"
    wrong = [("loss 0.52 in 3 steps", {}), ("loss 0.50 in 2 steps", {}), ("cost 0.50 in 3 steps", {})]
    right = [("loss 0.51 in 3 steps", {}), ("loss 0.52 in 3 steps", {"atol": 0.03})]
    cells = []
    for stored, course in wrong + right:
        metadata = {"tags": ["nbval-check-output"], "course": course}
        cells.append(new_code_cell(f"print({printed!r})", metadata=metadata))
        cells[-1].outputs = [new_output("stream", text=f"{stored}\n")]
    path = tmp_path / "small.ipynb"
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": notebooks.KERNEL}), path)
    options = ["-q", "-p", "no:cacheprovider", "-p", "conftest", "--nbval-lax", str(path)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options], cwd=notebooks.ROOT, capture_output=True, text=True
    )
    failed = [place for place in range(len(cells)) if f"::Cell {place}" in done.stdout]
    assert failed == list(range(len(wrong))), done.stdout
