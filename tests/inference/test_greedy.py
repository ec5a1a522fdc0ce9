"""Greedy decoding with models whose answers are known."""

import pytest
import torch

from course.inference import greedy


def successor(tokens):
    """Score the number after the last one highest, modulo 5, and count the calls."""
    successor.calls += 1
    return torch.nn.functional.one_hot((tokens + 1) % 5, 5).float()


@pytest.fixture(autouse=True)
def fresh():
    successor.calls = 0


def test_it_appends_the_most_probable_token():
    start = torch.tensor([[0, 1], [4, 3]])
    assert greedy(successor, start, 4).tolist() == [[0, 1, 2, 3, 4, 0], [4, 3, 4, 0, 1, 2]]


def test_a_sequence_that_has_ended_stays_ended():
    start = torch.tensor([[0], [3]])
    assert greedy(successor, start, 9, end=4).tolist() == [[0, 1, 2, 3, 4], [3, 4, 4, 4, 4]]
    assert successor.calls == 4


def test_it_makes_no_gradient():
    table = torch.randn(5, 5, generator=torch.Generator().manual_seed(0), requires_grad=True)

    def score(tokens):
        scores = table[tokens]
        assert not scores.requires_grad
        return scores

    assert greedy(score, torch.tensor([[1]]), 2).shape == (1, 3)


def test_refusals():
    with pytest.raises(ValueError, match="n_new"):
        greedy(successor, torch.tensor([[1]]), 0)
    with pytest.raises(TypeError, match="tokens"):
        greedy(successor, torch.tensor([[1.0]]), 1)
    with pytest.raises(ValueError, match="tokens must have 2 axes"):
        greedy(successor, torch.tensor([1]), 1)
