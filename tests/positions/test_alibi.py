"""ALiBi: slopes against the published rule, the bias against a loop over pairs."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from course.attention import attend, weigh
from course.positions import alibi, alibi_slopes


def published(n_heads):
    """The rule as the authors' code states it, by recursion."""
    if math.log2(n_heads).is_integer():
        start = 2 ** (-(2 ** -(math.log2(n_heads) - 3)))
        return [start * start**i for i in range(n_heads)]
    whole = 2 ** math.floor(math.log2(n_heads))
    return published(whole) + published(2 * whole)[0::2][: n_heads - whole]


@pytest.mark.parametrize("n_heads", range(1, 71))
def test_slopes_of_any_number_of_heads(n_heads):
    torch.testing.assert_close(alibi_slopes(n_heads), torch.tensor(published(n_heads)))


def test_known_slopes():
    assert alibi_slopes(8).tolist() == [2.0**-i for i in range(1, 9)]
    assert alibi_slopes(1).tolist() == [2.0**-8]


@given(st.integers(1, 12), st.integers(1, 6), st.integers(1, 6))
def test_the_bias_of_each_pair(n_heads, n_query, n_key):
    bias = alibi(n_heads, n_query, n_key)
    assert bias.shape == (n_heads, n_query, n_key)
    slopes = alibi_slopes(n_heads)
    for i in range(n_query):
        for j in range(n_key):
            torch.testing.assert_close(bias[:, i, j], -slopes * abs(i + n_key - n_query - j))


def test_with_equal_scores_the_weights_of_a_head_are_geometric():
    bias = alibi(4, 1, 50)
    weights = weigh(torch.zeros(4, 1, 3), torch.zeros(4, 50, 3), bias=bias, causal=True)
    ratio = weights[:, 0, 1:] / weights[:, 0, :-1]
    torch.testing.assert_close(ratio, alibi_slopes(4).exp()[:, None].expand_as(ratio))


def test_attend_takes_the_bias():
    torch.manual_seed(0)
    q, k, v = torch.randn(2, 3, 4, 5), torch.randn(2, 3, 6, 5), torch.randn(2, 3, 6, 2)
    scores = q @ k.mT / math.sqrt(5) + alibi(3, 4, 6)
    torch.testing.assert_close(attend(q, k, v, bias=alibi(3, 4, 6)), scores.softmax(-1) @ v)


@pytest.mark.parametrize(
    ("function", "arguments", "says"),
    [
        (alibi_slopes, (0,), "n_heads must be a positive integer, but got 0"),
        (alibi_slopes, (2.0,), r"n_heads must be a positive integer, but got 2.0 \(float\)"),
        (alibi, (2, 3, -1), "n_key must be a positive integer, but got -1"),
        (alibi, (2, True, 1), r"n_query must be a positive integer, but got True \(bool\)"),
    ],
)
def test_refused_with_a_sentence(function, arguments, says):
    with pytest.raises((TypeError, ValueError), match=rf"^{function.__name__}: {says}\.$"):
        function(*arguments)
