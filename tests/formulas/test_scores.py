import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from course.attention import (
    additive,
    cosine,
    dot_product,
    general,
    negative_squared_distance,
    scaled_dot_product,
    softmax,
)

PARAMETER_FREE = (dot_product, scaled_dot_product, cosine, negative_squared_distance)


def pair(dtype=torch.float64):
    draw = torch.Generator().manual_seed(0)
    return (torch.randn(2, n, 3, generator=draw, dtype=dtype) for n in (4, 5))


def unequal(dtype=torch.float64):
    """Queries of width 3, keys of width 4, and weights with a hidden width of 6."""
    draw = torch.Generator().manual_seed(1)
    shapes = {"q": (2, 4, 3), "k": (2, 5, 4), "weight": (3, 4), "w_q": (3, 6), "w_k": (4, 6), "w": (6,)}
    return {name: torch.randn(shape, generator=draw, dtype=dtype) for name, shape in shapes.items()}


def by_loop(q, k, score):
    return torch.stack(
        [
            torch.stack([torch.stack([score(a, b) for b in keys]) for a in rows])
            for rows, keys in zip(q, k, strict=True)
        ]
    )


def normal(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_dot_product_equals_a_loop():
    q, k = pair()
    torch.testing.assert_close(dot_product(q, k), by_loop(q, k, torch.dot))


def test_scaled_dot_product_divides_by_the_root_of_the_width():
    q, k = pair()
    torch.testing.assert_close(scaled_dot_product(q, k), by_loop(q, k, torch.dot) / math.sqrt(3))
    torch.testing.assert_close(scaled_dot_product(q, k, 2.0), by_loop(q, k, torch.dot) * 2)


def test_cosine_equals_torch_and_a_zero_vector_agrees_with_nothing():
    q, k = pair()
    q[0, 1] = 0
    expected = by_loop(q, k, lambda a, b: torch.cosine_similarity(a, b, dim=0))
    torch.testing.assert_close(cosine(q, k), expected)
    assert (cosine(q, k)[0, 1] == 0).all()


@pytest.mark.parametrize("temperature", [0.1, 2.0])
def test_cosine_is_divided_by_the_temperature(temperature):
    q, k = pair()
    torch.testing.assert_close(cosine(q, k, temperature), cosine(q, k) / temperature)


def test_general_equals_torch_bilinear():
    x = unequal()
    expected = by_loop(x["q"], x["k"], lambda a, b: F.bilinear(a, b, x["weight"][None])[0])
    torch.testing.assert_close(general(x["q"], x["k"], x["weight"]), expected)


def test_additive_equals_a_network_on_each_joined_pair():
    x = unequal()
    first = torch.cat([x["w_q"], x["w_k"]]).T
    expected = by_loop(
        x["q"], x["k"], lambda a, b: F.linear(F.linear(torch.cat([a, b]), first).tanh(), x["w"])
    )
    torch.testing.assert_close(additive(*(x[name] for name in ("q", "k", "w_q", "w_k", "w"))), expected)


def test_negative_squared_distance_equals_cdist():
    q, k = pair()
    torch.testing.assert_close(negative_squared_distance(q, k), -torch.cdist(q, k).square() / 2)
    torch.testing.assert_close(negative_squared_distance(q, k, 3.0), -torch.cdist(q, k).square() * 3)


def test_distance_far_from_the_origin_keeps_its_digits():
    q, k = (x + 10_000 for x in pair(torch.float32))
    expected = -torch.cdist(q.double(), k.double()).square() / 2
    torch.testing.assert_close(negative_squared_distance(q, k).double(), expected, rtol=0, atol=1e-4)


def test_distance_holds_no_tensor_of_all_pairs_and_entries():
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as flops:
        negative_squared_distance(torch.randn(7, 3), torch.randn(9, 3))
    assert flops.get_total_flops() == 2 * 7 * 9 * 3


def test_additive_projects_each_token_once():
    from torch.utils.flop_counter import FlopCounterMode

    x = unequal()
    with FlopCounterMode(display=False) as flops:
        additive(*(x[name] for name in ("q", "k", "w_q", "w_k", "w")))
    assert flops.get_total_flops() == 2 * 2 * 6 * (4 * 3 + 5 * 4 + 4 * 5)


@pytest.mark.parametrize("score", PARAMETER_FREE)
def test_gradients(score):
    q, k = (x.requires_grad_() for x in pair())
    assert torch.autograd.gradcheck(score, (q, k))


def test_gradients_of_scores_with_parameters():
    x = {name: tensor.requires_grad_() for name, tensor in unequal().items()}
    assert torch.autograd.gradcheck(general, tuple(x[name] for name in ("q", "k", "weight")))
    assert torch.autograd.gradcheck(additive, tuple(x[name] for name in ("q", "k", "w_q", "w_k", "w")))


SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.tuples(st.integers(1, 5), st.integers(1, 6), st.integers(1, 4))


@settings(max_examples=50, deadline=None)
@given(SEEDS, SIZES, st.floats(-50, 50))
def test_moving_all_vectors_changes_no_distance(seed, sizes, offset):
    n_query, n_key, d = sizes
    q, k = normal(seed, n_query, d), normal(seed + 1, n_key, d)
    moved = negative_squared_distance(q + offset, k + offset)
    torch.testing.assert_close(moved, negative_squared_distance(q, k), rtol=1e-9, atol=1e-9)


@settings(max_examples=50, deadline=None)
@given(SEEDS, SIZES, st.floats(0.1, 10), st.floats(0.1, 10))
def test_three_scores_agree_on_vectors_of_equal_length(seed, sizes, of_q, of_k):
    n_query, n_key, d = sizes
    q = of_q * F.normalize(normal(seed, n_query, d), dim=-1)
    k = of_k * F.normalize(normal(seed + 1, n_key, d), dim=-1)
    expected = softmax(scaled_dot_product(q, k))
    by_cosine = softmax(cosine(q, k, math.sqrt(d) / (of_q * of_k)))
    by_distance = softmax(negative_squared_distance(q, k, 0.5 / math.sqrt(d)))
    torch.testing.assert_close(by_cosine, expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(by_distance, expected, rtol=1e-9, atol=1e-9)


@settings(max_examples=50, deadline=None)
@given(SEEDS, SIZES)
def test_two_projections_are_a_general_score(seed, sizes):
    n_query, n_key, d = sizes
    q, k = normal(seed, n_query, 5), normal(seed + 1, n_key, 3)
    w_q, w_k = normal(seed + 2, 5, d), normal(seed + 3, 3, d)
    torch.testing.assert_close(general(q, k, w_q @ w_k.T), dot_product(q @ w_q, k @ w_k))


@pytest.mark.parametrize("score", PARAMETER_FREE)
@pytest.mark.parametrize("leading", [(), (2,), (2, 3)])
def test_leading_axes_are_a_batch(score, leading):
    q, k = normal(0, *leading, 4, 3), normal(1, *leading, 5, 3)
    scores = score(q, k)
    assert scores.shape == (*leading, 4, 5)
    last = tuple(size - 1 for size in leading)
    torch.testing.assert_close(scores[last], score(q[last], k[last]))


@pytest.mark.parametrize(
    ("temperature", "kind", "sentence"),
    [
        (0.0, ValueError, "positive, but got 0"),
        (-1.5, ValueError, "positive, but got -1.5"),
        (math.inf, ValueError, "a finite number, but got inf"),
        (math.nan, ValueError, "a finite number, but got nan"),
        ("1", TypeError, r"a number, but got '1' \(str\)"),
        (True, TypeError, r"a number, but got True \(bool\)"),
    ],
)
def test_a_bad_temperature_is_refused(temperature, kind, sentence):
    with pytest.raises(kind, match=rf"^cosine: temperature must be {sentence}\.$"):
        cosine(*pair(), temperature)


def test_a_score_with_parameters_names_the_size_that_does_not_fit():
    x = unequal()
    with pytest.raises(ValueError, match=r"^general: weight has d_q = 4 .*, but q has d_q = 3\.$"):
        general(x["q"], x["k"], x["weight"].T)
    with pytest.raises(ValueError, match=r"^additive: w has d_hidden = 5 .*, but w_q has d_hidden = 6\.$"):
        additive(x["q"], x["k"], x["w_q"], x["w_k"], x["w"][:5])
    with pytest.raises(ValueError, match=r"^negative_squared_distance: scale must be a finite number"):
        negative_squared_distance(*pair(), math.inf)
