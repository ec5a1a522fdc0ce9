"""Line charts: the right numbers, names where they can be read."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from course.viz import PALETTE, curves
from course.viz.curves import _spread

X = np.arange(1, 101)


def test_every_curve_is_drawn_with_its_name_at_its_end():
    ax = curves({"sqrt": X**0.5, "linear": X}, X, xlabel="length (tokens)", ylabel="time (ms)", title="Cost")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("length (tokens)", "time (ms)")
    assert ax.get_title(loc="left") == "Cost"
    assert [line.get_color() for line in ax.lines] == list(PALETTE[:2])
    assert ax.lines[0].get_ydata() == pytest.approx(X**0.5)
    assert [(text.get_text(), text.xy) for text in ax.texts] == [("sqrt", (100, 10)), ("linear", (100, 100))]
    assert [text.get_color() for text in ax.texts] == list(PALETTE[:2])
    assert not ax.figure.legends


def test_names_stay_inside_the_figure_and_do_not_cover_each_other():
    ax = curves({f"curve {i}": X + i / 100 for i in range(6)}, X, xlabel="x", ylabel="y")
    figure = ax.get_figure()
    figure.canvas.draw()
    boxes = sorted((text.get_window_extent() for text in ax.texts), key=lambda box: box.y0)
    assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 for box in boxes)
    assert all(low.y1 <= high.y0 + 0.5 for low, high in pairwise(boxes))


def test_several_seeds_give_a_median_and_a_band():
    runs = np.stack([X + seed for seed in (0, 1, 5)]).astype(float)
    ax = curves({"runs": torch.tensor(runs)}, X, xlabel="step", ylabel="loss (nats)")
    assert ax.lines[0].get_ydata() == pytest.approx(X + 1.0)
    (band,) = ax.collections
    vertices = band.get_paths()[0].vertices
    assert vertices[:, 1].min() == 1
    assert vertices[:, 1].max() == 105


def test_many_or_long_names_get_a_legend():
    ax = curves({f"curve {i}": X + i for i in range(8)}, X, xlabel="x", ylabel="y")
    assert not ax.texts
    (legend,) = ax.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [f"curve {i}" for i in range(8)]
    assert ax.lines[6].get_linestyle() != ax.lines[0].get_linestyle()
    looks = {(line.get_color(), str(line._dash_pattern)) for line in ax.lines}
    assert len(looks) == 8


def test_one_curve_needs_no_name():
    ax = curves({"only": X}, xlabel="x", ylabel="y", markers=True)
    assert not ax.texts
    assert not ax.figure.legends
    assert ax.lines[0].get_xdata()[0] == 0
    assert ax.lines[0].get_marker() == "o"


@pytest.mark.parametrize(
    ("log", "scales"),
    [("", ("linear", "linear")), ("x", ("log", "linear")), ("y", ("linear", "log")), ("xy", ("log", "log"))],
)
def test_logarithmic_axes(log, scales):
    ax = curves({"a": X, "b": X**2}, X, xlabel="x", ylabel="y", log=log)
    assert (ax.get_xscale(), ax.get_yscale()) == scales


def test_a_gap_and_a_gradient():
    values = torch.arange(1.0, 4.0, requires_grad=True)
    ax = curves({"a": values, "b": [1, 2, float("nan")]}, xlabel="x", ylabel="y")
    assert len(ax.lines) == 2


def test_size_of_a_chart(svg):
    series = {name: np.sin(X / 9 + i) for i, name in enumerate(("sinusoidal", "rotary", "ALiBi", "learned"))}
    assert len(svg(curves(series, X, xlabel="position", ylabel="value", title="Title"))) < 60_000


def test_spreading_keeps_the_order_and_the_gap():
    assert _spread([0.0, 50.0], 10.0) == [0, 50]
    assert _spread([5.0, 5.0, 5.0], 10.0) == [-5, 5, 15]
    places = _spread([3.0, 1.0, 2.0, 40.0], 4.0)
    assert places[1] < places[2] < places[0] < places[3]
    assert np.diff(sorted(places)).min() == pytest.approx(4)


@pytest.mark.parametrize(
    ("series", "arguments", "sentence"),
    [
        ({}, {}, "series must name at least one curve"),
        ({"a": X}, {"log": "z"}, "log must be one of '', 'x', 'y', 'xy', but got 'z'"),
        ({"a": X}, {"x": [1, 2]}, r"'a' has 100 points, but x has the shape \(2,\)"),
        ({"a": []}, {}, "'a' must have the shape"),
        ({"a": np.ones((2, 3, 4))}, {}, r"its shape is \(2, 3, 4\)"),
    ],
)
def test_bad_input(series, arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        curves(series, **arguments, xlabel="x", ylabel="y")
