"""Attention maps: what they say, how large they are, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from course.viz import SIGNED, WEIGHTS, figure, heatmap, heatmaps
from course.viz.colours import contrast

QUERIES = ["The", "cat", "sat"]
KEYS = ["Die", "Katze", "$", "saß", "."]


@pytest.fixture
def weights():
    g = torch.Generator().manual_seed(0)
    return torch.softmax(torch.randn(4, 3, 5, generator=g), -1)


def middle(ax, row, column, dots=20):
    """The colour in the middle of a cell."""
    return np.asarray(ax.images[0].get_array())[row * dots + dots // 2, column * dots + dots // 2] / 255


def test_queries_are_rows_and_keys_are_columns(weights):
    ax = heatmap(weights[0], QUERIES, KEYS, title="One head")
    assert ax.get_title(loc="left") == "One head"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("key", "query")
    assert [label.get_text() for label in ax.get_yticklabels()] == QUERIES
    assert [label.get_text() for label in ax.get_xticklabels()] == ["Die", "Katze", r"\$", "saß", "."]
    assert ax.get_xlim() == (-0.5, 4.5)
    assert ax.get_ylim() == (2.5, -0.5)  # the first query on top


def test_every_cell_carries_its_number(weights):
    ax = heatmap(weights[0], QUERIES, KEYS)
    numbers = {(round(t.get_position()[1]), round(t.get_position()[0])): t.get_text() for t in ax.texts}
    assert numbers == {(i, j): f"{w:.2f}" for (i, j), w in np.ndenumerate(weights[0].numpy())}
    assert len(ax.get_figure().axes) == 1  # no colour bar beside numbers


def test_numbers_are_readable_on_their_cells():
    steps = torch.linspace(0, 1, 56).reshape(7, 8)
    for text in heatmap(steps).texts:
        column, row = (round(place) for place in text.get_position())
        assert contrast(text.get_color(), WEIGHTS(float(steps[row, column]))[:3]) >= 4.5


def test_colours_mean_the_same_in_every_map():
    small, large = heatmap(torch.full((2, 2), 0.25)), heatmap(torch.eye(2))
    assert middle(small, 0, 0) == pytest.approx(np.array(WEIGHTS(0.25)), abs=0.01)
    assert middle(large, 0, 0) == pytest.approx(np.array(WEIGHTS(1.0)), abs=0.01)
    assert [text.get_text() for text in large.texts] == ["1.00", "0", "0", "1.00"]


def test_cells_that_are_not_finite_are_empty():
    scores = torch.tensor([[1.5, -torch.inf], [-2.0, torch.nan]])
    ax = heatmap(scores, vmin=-2.0, vmax=2.0)
    assert [text.get_text() for text in ax.texts] == ["1.50", "−2.00"]
    assert middle(ax, 0, 1)[3] == middle(ax, 1, 1)[3] == 0
    assert middle(ax, 1, 0) == pytest.approx(np.array(SIGNED(0.0)), abs=0.01)


def test_a_mask_can_be_drawn():
    ax = heatmap(torch.ones(3, 3).tril().bool())
    assert [text.get_text() for text in ax.texts].count("1.00") == 6


def test_weights_may_need_a_gradient_and_be_short_floats():
    heatmap(torch.eye(3, requires_grad=True))
    heatmap(torch.eye(3, dtype=torch.bfloat16))


def test_large_maps_have_a_colour_bar_and_one_dot_a_cell():
    ax = heatmap(torch.rand(64, 64, generator=torch.Generator().manual_seed(0)), xlabel="dimension")
    assert not ax.texts
    assert ax.images[0].get_array().shape[:2] == (64, 64)
    assert len(ax.get_figure().axes) == 2
    assert ax.get_xlabel() == "dimension"


def test_numbers_can_be_left_out(weights):
    assert not heatmap(weights[0], values=False).texts


def test_given_axes_are_used(weights):
    fig, (left, right) = figure(columns=2)
    assert heatmap(weights[0], ax=right) is right
    assert not left.images
    assert len(fig.axes) == 2


def test_heads_share_labels_and_one_colour_bar(weights):
    axes = heatmaps(weights[:3], QUERIES, KEYS)
    assert [ax.get_title(loc="left") for ax in axes] == ["head 1", "head 2", "head 3"]
    assert [ax.get_ylabel() for ax in axes] == ["query", "", "query"]
    assert [ax.get_xlabel() for ax in axes] == ["", "key", "key"]
    assert len(axes[0].get_figure().axes) == 4
    for ax, head in zip(axes, weights, strict=False):
        expected = WEIGHTS(head.numpy().astype(float))
        shown = [[middle(ax, i, j) for j in range(5)] for i in range(3)]
        assert np.array(shown) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("shape", [(5, 5), (9, 9), (12, 12), (64, 64), (256, 256)])
def test_size_of_a_map(shape, svg):
    g = torch.Generator().manual_seed(0)
    tokens = [f"token{i}" for i in range(shape[0])] if shape[0] < 20 else None
    weights = torch.softmax(3 * torch.randn(*shape, generator=g), -1)
    assert len(svg(heatmap(weights, tokens, tokens, title="Title"))) < (60_000 if shape[0] < 100 else 200_000)


def test_size_of_four_heads(svg):
    weights = torch.softmax(torch.randn(4, 12, 12, generator=torch.Generator().manual_seed(0)), -1)
    tokens = ["The", "animal", "did", "not", "cross", "the", "street", "because", "it", "was", "too", "tired"]
    axes = heatmaps(weights, tokens, tokens)
    assert len(svg(axes[0])) < 60_000
    width, height = axes[0].get_figure().get_size_inches() * 96
    assert width == pytest.approx(420)
    assert height < 520


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (
            lambda w: heatmap(w[0], QUERIES[:2]),
            ValueError,
            r"rows must have 3 tokens, like the weights \(3, 5\)",
        ),
        (lambda w: heatmap(w[0], QUERIES, QUERIES), ValueError, "columns must have 5 tokens"),
        (
            lambda w: heatmap(w[0], "cat"),
            TypeError,
            "rows must be a list of tokens, but got one string, 'cat'",
        ),
        (lambda w: heatmap(w[0].numpy()), TypeError, "weights must be a torch.Tensor"),
        (lambda w: heatmap(w), ValueError, "weights must have 2 axes"),
        (lambda w: heatmap(w[0], vmin=1.0), ValueError, "vmin must be below vmax, but got 1.0 and 1.0"),
        (lambda w: heatmaps(w[0]), ValueError, "weights must have 3 axes"),
        (lambda w: heatmaps(w, titles=["a"]), ValueError, "titles must name 4 heads, but there are 1"),
    ],
)
def test_bad_input(call, error, sentence, weights):
    with pytest.raises(error, match=sentence):
        call(weights)
