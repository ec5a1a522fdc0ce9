import itertools
from functools import reduce

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course.attention import attend, log_sum_exp, scaled_dot_product, softmax
from course.formulas.partial import Partial, partial


def draw(*shapes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]


def test_all_keys_at_once_are_attention():
    q, k, v = draw((2, 3, 4), (2, 5, 4), (2, 5, 6))
    whole = partial(scaled_dot_product(q, k), v)
    torch.testing.assert_close(whole.output(), attend(q, k, v))
    torch.testing.assert_close(whole.normalizer.log(), log_sum_exp(scaled_dot_product(q, k)))


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=5),
    st.randoms(use_true_random=False),
    st.integers(0, 10**6),
    st.floats(0.1, 300),
)
def test_pieces_merge_in_any_order_and_grouping(sizes, chance, seed, scale):
    (scores, v), mask = draw((3, sum(sizes)), (sum(sizes), 2), seed=seed), None
    generator = torch.Generator().manual_seed(seed)
    mask = torch.rand(3, sum(sizes), generator=generator) < 0.6
    scores *= scale
    parts = [
        partial(*piece)
        for piece in zip(scores.split(sizes, -1), v.split(sizes), mask.split(sizes, -1), strict=True)
    ]
    whole = partial(scores, v, mask)
    chance.shuffle(parts)
    while len(parts) > 1:  # two neighbours become one, until one is left
        i = chance.randrange(len(parts) - 1)
        parts[i : i + 2] = [parts[i].merge(parts[i + 1])]
    torch.testing.assert_close(parts[0].output(), softmax(scores, mask) @ v)
    torch.testing.assert_close(parts[0].normalizer.log(), whole.normalizer.log())
    assert torch.equal(parts[0].normalizer.largest, whole.normalizer.largest)


def test_no_keys_change_nothing_and_give_zeros():
    scores, v = draw((2, 3), (3, 4))
    some, none = partial(scores, v), partial(scores, v, torch.zeros(2, 3, dtype=torch.bool))
    assert (none.output() == 0).all()
    assert (none.merge(none).output() == 0).all()
    for merged in (some.merge(none), none.merge(some)):
        assert torch.equal(merged.weighted, some.weighted)
        assert torch.equal(merged.normalizer.total, some.normalizer.total)


def test_gradients_pass_through_merges():
    scores, v = (x.requires_grad_() for x in draw((3, 5), (5, 2)))

    def in_pieces(scores, v):
        parts = [partial(scores[:, i:j], v[i:j]) for i, j in itertools.pairwise((0, 2, 3, 5))]
        return reduce(Partial.merge, parts).output()

    assert torch.autograd.gradcheck(in_pieces, (scores, v))


def test_refusals():
    scores, v = draw((2, 3), (4, 2))
    with pytest.raises(ValueError, match="partial: v has key = 4"):
        partial(scores, v)
    with pytest.raises(TypeError, match="partial: scores must be a float tensor"):
        partial(torch.ones(2, 3, dtype=torch.int64), v)
