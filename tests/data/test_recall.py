import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course.data import recall_batch


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5), st.integers(1, 9), st.integers(0, 9), st.integers(0, 10**6))
def test_each_answer_is_the_value_of_the_key_that_was_asked_for(n_sequences, n_pairs, spare, seed):
    n_symbols = n_pairs + spare
    batch = recall_batch(n_sequences, n_pairs, n_symbols, seeded(seed))
    for keys, values, asked, answers in zip(*(tensor.tolist() for tensor in batch), strict=True):
        assert len(set(keys)) == n_pairs
        assert sorted(asked) == sorted(keys)
        assert [dict(zip(keys, values, strict=True))[key] for key in asked] == answers
        assert all(0 <= symbol < n_symbols for symbol in keys + values)


def test_pairs_differ_between_sequences_and_come_again_with_the_same_seed():
    first, second = (recall_batch(50, 4, 16, seeded()) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert len({tuple(row) for row in first.keys.tolist()}) > 45
    assert not torch.equal(first.keys, recall_batch(50, 4, 16, seeded(1)).keys)


def test_more_pairs_than_symbols_are_refused():
    with pytest.raises(ValueError, match=r"at most n_symbols = 3, .* but got 4"):
        recall_batch(1, 4, 3, seeded())
    with pytest.raises(ValueError, match="n_sequences must be a positive integer, but got 0"):
        recall_batch(0, 2, 3, seeded())
