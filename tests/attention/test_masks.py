import pytest
import torch

from course.attention import causal, padding


@pytest.mark.parametrize(("n_query", "n_key"), [(4, 4), (2, 5), (5, 2), (1, 6), (3, 1)])
def test_causal_by_its_definition(n_query, n_key):
    mask = causal(n_query, n_key)
    assert mask.tolist() == [[j <= i + n_key - n_query for j in range(n_key)] for i in range(n_query)]


def test_padding_by_its_definition():
    mask = padding(torch.tensor([0, 3, 5]), 5)
    assert mask.shape == (3, 1, 1, 5)
    assert mask.flatten(1).tolist() == [[j < length for j in range(5)] for length in (0, 3, 5)]


@pytest.mark.parametrize("lengths", [[-1, 2], [1, 6]])
def test_padding_refuses_impossible_lengths(lengths):
    with pytest.raises(
        ValueError, match=f"between 0 and n_key = 5, but they go from {lengths[0]} to {lengths[1]}"
    ):
        padding(torch.tensor(lengths), 5)
