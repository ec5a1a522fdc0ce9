"""The style: readable on both pages, told apart by every reader, the same bytes in every run."""

from __future__ import annotations

import os
import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from course.viz import INK, PALETTE, SIGNED, WEIGHTS, figure, setup
from course.viz.colours import _linear, _srgb, contrast, luminance, oklab
from course.viz.style import WIDTH

PAGES = ("#ffffff", "#121212", "#14181e")

# Machado, Oliveira, Fernandes (2009): how the three kinds of dichromats see, on linear RGB.
BLINDNESS = {
    "none": [1, 0, 0, 0, 1, 0, 0, 0, 1],
    "protan": [0.152286, 1.052583, -0.204868, 0.114503, 0.786281, 0.099216, -0.003882, -0.048116, 1.051998],
    "deutan": [0.367322, 0.860646, -0.227968, 0.280085, 0.672501, 0.047413, -0.011820, 0.042940, 0.968881],
    "tritan": [1.255528, -0.076749, -0.178779, -0.078411, 0.930809, 0.147602, 0.004733, 0.691367, 0.303900],
}


def test_contrast_of_known_pairs():
    assert contrast("black", "white") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert luminance("#ff0000") == pytest.approx(0.2126)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("colour", PALETTE)
def test_lines_are_visible_on_both_pages(colour, page):
    assert contrast(colour, page) >= 3


@pytest.mark.parametrize("page", PAGES)
def test_text_is_readable_on_both_pages(page):
    assert contrast(INK, page) >= 4


@pytest.mark.parametrize("blindness", BLINDNESS)
def test_lines_are_told_apart(blindness):
    matrix = np.reshape(BLINDNESS[blindness], (3, 3))
    seen = _srgb(_linear(np.array([to_rgb(colour) for colour in PALETTE])) @ matrix.T)
    lab = oklab(seen)
    distances = np.linalg.norm(lab[:, None] - lab[None], axis=-1)
    assert distances[~np.eye(len(lab), dtype=bool)].min() > 0.08  # 0.02 is just noticeable


def test_oklab_of_known_colours():
    assert oklab([1, 1, 1]) == pytest.approx([1, 0, 0], abs=1e-4)
    assert oklab([1, 0, 0]) == pytest.approx([0.62796, 0.22486, 0.12585], abs=1e-3)


@pytest.mark.parametrize("half", [WEIGHTS.colors, SIGNED.colors[128:], SIGNED.colors[:128]])
def test_equal_steps_of_weight_look_equal(half):
    lab = oklab(half)
    steps = np.linalg.norm(np.diff(lab, axis=0), axis=1)
    assert steps.std() / steps.mean() < 0.02
    lightness = np.diff(lab[:, 0])
    assert (lightness < 0).all() or (lightness > 0).all()


def test_colours_of_both_signs_meet_in_one():
    assert np.abs(oklab(SIGNED.colors[127]) - oklab(SIGNED.colors[128])).max() < 0.01


def test_a_figure_fits_a_phone_and_has_no_background(svg):
    fig, ax = figure()
    ax.plot([0, 1], [0, 1])
    text = svg(ax)
    width = float(text.split('width="')[1].split("pt")[0])
    assert width * 96 / 72 == pytest.approx(WIDTH)
    assert fig.patch.get_facecolor()[3] == 0
    assert ax.patch.get_facecolor()[3] == 0
    assert "<dc:date>" not in text
    assert "Matplotlib" not in text.split("<defs>")[0]


def test_a_grid_of_axes():
    fig, axes = figure(rows=2, columns=3, height=0.5, sharex=True)
    assert axes.shape == (2, 3)
    assert fig.get_size_inches()[1] * 96 == pytest.approx(210)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"width": 0.0}, "width must be positive, but got 0.0"),
        ({"height": -1.0}, "height must be positive, but got -1.0"),
        ({"rows": 0}, "rows must be a positive integer, but got 0"),
    ],
)
def test_bad_sizes(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        figure(**arguments)


PROGRAM = """
import hashlib, io, torch
from course import viz
from course.viz.style import METADATA
viz.setup()
g = torch.Generator().manual_seed(0)
w = torch.softmax(torch.randn(2, 12, 12, generator=g), -1)
def digest(ax):
    file = io.BytesIO()
    ax.get_figure().savefig(file, format="svg", metadata=METADATA)
    return hashlib.sha256(file.getvalue()).hexdigest()
print(digest(viz.heatmap(w[0], list("abcdefghijkl"), title="a")))
print(digest(viz.heatmaps(w)[0]))
print(digest(viz.curves({"a": w[0], "b": w[1, 0]}, xlabel="x", ylabel="y", log="y")))
print(hashlib.sha256(viz.explorer(w, list("abcdefghijkl"))._repr_html_().encode()).hexdigest())
"""


@pytest.mark.slow
def test_the_same_bytes_in_two_processes(capsys):
    """In this one, and in one that hashes otherwise."""
    exec(PROGRAM, {})
    here = capsys.readouterr().out
    seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    environment = {"PYTHONHASHSEED": seed, "MPLBACKEND": "agg", "PATH": "", "HOME": mpl.get_cachedir()}
    there = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True
    )
    assert len(set(here.split())) == 4
    assert there.stdout == here


def test_setup_makes_the_figures_of_a_notebook_reproducible_svg():
    from IPython.core.interactiveshell import InteractiveShell
    from matplotlib_inline.config import InlineBackend

    shell = InteractiveShell.instance()
    try:
        setup()
        fig, ax = figure()
        ax.plot([1, 2])
        bundle, _ = shell.display_formatter.format(fig)
        assert set(bundle) == {"image/svg+xml", "text/plain"}
        assert bundle == shell.display_formatter.format(fig)[0]
        assert bundle["text/plain"] == "<Figure size 420x260 with 1 Axes>"
    finally:
        InlineBackend.clear_instance()
        InteractiveShell.clear_instance()
