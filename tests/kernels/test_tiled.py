"""The tiled kernel where it differs from other backends: its tiles, what it keeps, what it never makes.

That it equals the loop is a row of the table in tests/attention/test_attend.py.
"""

import math
import weakref
from functools import partial as bind

import pytest
import torch
from attention_cases import PLAIN, SHAPES, assert_same, draw, exact, inputs, run
from hypothesis import given, settings
from hypothesis import strategies as st

from course.attention import attend, causal
from course.kernels.fused import sdpa
from course.kernels.tiled import tiled

SMALL = bind(tiled, tile=(2, 3))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 9), st.integers(1, 9), st.tuples(st.integers(1, 10), st.integers(1, 10)),
    st.booleans(), st.booleans(), st.integers(0, 10**6),
)  # fmt: skip
def test_the_size_of_a_tile_changes_nothing(n_query, n_key, tile, is_causal, masked, seed):
    tensors = draw((2, n_query, 3), (2, n_key, 3), (2, n_key, 4), seed=seed)
    generator = torch.Generator().manual_seed(seed)
    mask = torch.rand(2, n_query, n_key, generator=generator) < 0.6 if masked else None
    options = {"mask": mask, "causal": is_causal}
    for a, b in zip(
        run(bind(tiled, tile=tile), tensors, **options),
        run(attend, tensors, **options),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("is_causal", [False, True])
def test_gradcheck_with_a_bias_and_grouped_heads(is_causal):
    leaves = [t.requires_grad_() for t in draw((1, 2, 3, 2), (1, 1, 4, 2), (1, 1, 4, 3), (2, 1, 4))]
    mask = torch.rand(3, 4, generator=torch.Generator().manual_seed(0)) < 0.8
    mask[1] = False

    def attention(q, k, v, bias):
        return SMALL(q, k, v, mask=mask, bias=bias, causal=is_causal, scale=0.7)

    assert torch.autograd.gradcheck(attention, leaves)


def test_a_row_with_nothing_to_attend_to_is_zero_and_has_no_gradient():
    q, k, v = inputs((1, 1, 1, 3, 4, 2, 2))
    mask = torch.ones(3, 4, dtype=torch.bool)
    mask[1] = False
    out, dq, dk, dv = run(SMALL, [q, k, v], mask=mask)
    assert (out[0, 0, 1] == 0).all()
    assert (dq[0, 0, 1] == 0).all()
    assert all(x.isfinite().all() for x in (out, dq, dk, dv))
    assert all((x == 0).all() for x in run(SMALL, [q, k, v], mask=torch.zeros_like(mask)))


@pytest.mark.parametrize("lead", [(), (3,), (2, 1, 3)])
def test_any_number_of_leading_axes(lead):
    q, k, v = draw((*lead, 3, 4), (*lead, 5, 4), (*lead, 5, 2))
    torch.testing.assert_close(SMALL(q, k, v, **PLAIN), attend(q, k, v, scale=0.7))


def test_several_axes_before_grouped_heads():
    q, k, v = draw((2, 3, 4, 5, 3), (2, 3, 2, 6, 3), (2, 3, 2, 6, 2))
    torch.testing.assert_close(SMALL(q, k, v, **PLAIN), attend(q, k, v, scale=0.7))


def test_a_bias_of_minus_infinity_is_a_mask():
    q, k, v = inputs(SHAPES["odd lengths"])
    mask = causal(5, 7)
    bias = torch.zeros(5, 7, dtype=torch.float64).masked_fill(~mask, -torch.inf)
    for a, b in zip(run(SMALL, [q, k, v, bias]), run(SMALL, [q, k, v], mask=mask), strict=False):
        torch.testing.assert_close(a, b)


def test_large_scores_do_not_overflow():
    q, k, v = inputs(SHAPES["odd lengths"], torch.float32)
    assert all(x.isfinite().all() for x in run(SMALL, [q * 1e3, k * 1e3, v]))


def test_causal_tiles_behind_the_diagonal_are_never_read():
    q, k, v = draw((6, 2), (6, 2), (6, 2))
    k[4:], v[4:] = math.nan, math.nan  # keys of the last tile: no query of the first two tiles may see them
    assert SMALL(q, k, v, **PLAIN | {"causal": True})[:2].isfinite().all()


@pytest.mark.parametrize("shape", [(1, 2, 2, 600, 600, 16, 16), (1, 4, 2, 300, 700, 8, 24)])
@pytest.mark.parametrize("is_causal", [False, True])
def test_tiles_of_the_usual_size_equal_torch(shape, is_causal):
    tensors = inputs(shape, torch.float32)
    expected = exact(sdpa, tensors, causal=is_causal)
    assert_same(run(tiled, tensors, causal=is_causal), expected, torch.float32)


def test_nothing_with_a_row_for_each_query_and_a_column_for_each_key_is_made():
    """Neither pass makes a tensor as large as the matrix of weights."""
    from course.grading.meter import LargestTensor

    leaves = [x.requires_grad_() for x in draw((256, 4), (256, 4), (256, 4))]
    with LargestTensor() as largest:
        tiled(*leaves, **PLAIN, tile=(32, 32)).sum().backward()
    assert largest.size == 32 * 32


def test_what_waits_for_the_backward_pass_is_one_number_per_query_more_than_inputs_and_output():
    kept = []
    leaves = [x.requires_grad_() for x in draw((40, 4), (50, 4), (50, 6))]
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x.numel()) or x, lambda x: x):
        out = tiled(*leaves, **PLAIN)
    assert sorted(kept) == sorted([40 * 4, 50 * 4, 50 * 6, out.numel(), 40])


def test_a_bias_that_needs_no_gradient_gets_none():
    q, k, v, bias = draw((3, 2), (4, 2), (4, 2), (3, 4))
    out = SMALL(q.requires_grad_(), k, v, **PLAIN | {"bias": bias})
    out.sum().backward()
    assert bias.grad is None
    gone = weakref.ref(out)
    del out
    assert gone() is None  # the graph holds no cycle
