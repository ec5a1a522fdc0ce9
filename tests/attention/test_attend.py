"""Every backend against the loop in float64: the one table test that each new backend joins."""

import math
from functools import cache, partial

import pytest
import torch
from attention_cases import (
    BIASES,
    DTYPES,
    MASKS,
    SHAPES,
    assert_same,
    bias_for,
    exact,
    inputs,
    mask_for,
    run,
)
from combinations import meeting
from hypothesis import given, settings
from hypothesis import strategies as st

from course.attention import attend, causal, weigh
from course.kernels.backends import BACKENDS
from course.kernels.tiled import tiled

NARROW = {"cpu": (torch.float32,), "triton": (torch.float32, torch.float16)}  # the others take all
WAYS = {name: partial(attend, backend=name) for name in ("einsum", "sdpa", "cpu", "triton")}
WAYS["tiled"] = partial(tiled, tile=(2, 3))  # so small that every case has several tiles
CASES = MASKS, BIASES, SHAPES, (False, True)
ROWS = [(way, *case, None) for way in WAYS if way != "triton" for case in meeting(*CASES, of=3)] + [
    # Without a GPU its kernels are interpreted; tests/kernels/test_triton_attend.py has more on them.
    pytest.param("triton", *case, marks=pytest.mark.slow)
    for case in meeting(*CASES, NARROW["triton"])
]


def widest(backend):
    """The most exact dtype of a backend."""
    return NARROW.get(backend, DTYPES)[0]


@cache
def by_the_loop(mask, bias, shape, is_causal):
    tensors = inputs(SHAPES[shape]) + bias_for(bias, SHAPES[shape])
    options = {"mask": mask_for(mask, SHAPES[shape]), "causal": is_causal}
    return exact(partial(attend, backend="loop"), tensors, **options)


@pytest.mark.parametrize(("way", "mask", "bias", "shape", "is_causal", "only"), ROWS)
def test_backend_equals_the_loop(way, mask, bias, shape, is_causal, only):
    """In all dtypes that the backend takes, or in one."""
    options = {"mask": mask_for(mask, SHAPES[shape]), "causal": is_causal}
    expected = by_the_loop(mask, bias, shape, is_causal)
    for dtype in [only] if only else NARROW.get(way, DTYPES):
        added = [x.to(dtype) for x in bias_for(bias, SHAPES[shape])]
        assert_same(run(WAYS[way], inputs(SHAPES[shape], dtype) + added, **options), expected, dtype)


def test_every_backend_is_in_the_table():
    assert {*WAYS, "loop", "auto"} == set(BACKENDS)


def test_the_loop_itself_against_two_lines_of_torch():
    q, k, v = inputs(SHAPES["odd lengths"])
    expected = (q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1) @ v
    torch.testing.assert_close(attend(q, k, v, backend="loop"), expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_row_with_nothing_to_attend_to_is_zero_and_has_no_gradient(backend):
    q, k, v = inputs((1, 1, 1, 3, 4, 2, 2), widest(backend))
    mask = torch.ones(3, 4, dtype=torch.bool)
    mask[1] = False
    out, dq, dk, dv = run(partial(attend, backend=backend), [q, k, v], mask=mask)
    assert (out[0, 0, 1] == 0).all()
    assert (dq[0, 0, 1] == 0).all()
    assert all(x.isfinite().all() for x in (out, dq, dk, dv))
    assert (attend(q, k, v, mask=torch.zeros_like(mask), backend=backend) == 0).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_causal_is_aligned_at_the_last_key(backend):
    """The outputs of the last queries alone equal the last rows of the full causal output."""
    q, k, v = inputs(SHAPES["square"], widest(backend))
    full = attend(q, k, v, causal=True, backend=backend)
    torch.testing.assert_close(attend(q[..., 4:, :], k, v, causal=True, backend=backend), full[..., 4:, :])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("lead", [(), (3,), (2, 1, 3)])
def test_any_number_of_leading_axes(backend, lead):
    draw = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(*lead, n, 4, generator=draw) for n in (3, 5, 5))
    assert attend(q, k, v, backend=backend).shape == (*lead, 3, 4)


@pytest.mark.parametrize("backend", BACKENDS)
def test_grouped_heads_equal_repeated_heads(backend):
    q, k, v = inputs(SHAPES["grouped heads"], widest(backend))
    k3, v3 = (x.repeat_interleave(3, dim=1) for x in (k, v))
    torch.testing.assert_close(attend(q, k, v, backend=backend), attend(q, k3, v3, backend=backend))


@pytest.mark.parametrize("backend", BACKENDS)
def test_large_scores_do_not_overflow(backend):
    q, k, v = inputs(SHAPES["odd lengths"], torch.float32)
    out = attend(q * 1e3, k * 1e3, v, backend=backend)
    assert out.isfinite().all()


@pytest.mark.parametrize("backend", [name for name in BACKENDS if name != "cpu"])
def test_scores_beyond_half_precision_are_summed_in_float32(backend):
    q, k, v = inputs(SHAPES["odd lengths"], torch.float16)
    q, k = 400 * q, 400 * k  # their products pass 65504, float16's largest number
    wanted = attend(q.double(), k.double(), v.double(), backend="loop")
    out = attend(q, k, v, backend=backend)
    torch.testing.assert_close(out.double(), wanted, rtol=torch.finfo(torch.float16).eps, atol=1e-6)


ONCE = ("tiled", "cpu", "triton")


@pytest.mark.parametrize("backend", ["loop", "einsum", "auto"])
def test_a_second_derivative_is_right(backend):
    leaves = [x.requires_grad_() for x in inputs((1, 2, 1, 2, 3, 2, 2))]
    assert torch.autograd.gradgradcheck(partial(attend, backend=backend), leaves)


@pytest.mark.parametrize("backend", ONCE)
@pytest.mark.parametrize("loss", [torch.sum, torch.norm])
def test_a_second_derivative_is_refused(backend, loss):
    """Also where the gradient that comes in is a constant, as that of a sum is."""
    q, k, v = (x.requires_grad_() for x in inputs(SHAPES["odd lengths"], widest(backend)))
    with pytest.raises(NotImplementedError, match="no second derivative"):
        torch.autograd.grad(loss(attend(q, k, v, backend=backend)), q, create_graph=True)


@pytest.mark.parametrize("backend", [name for name in BACKENDS if name not in NARROW])
def test_gradcheck(backend):
    leaves = [t.requires_grad_() for t in inputs((1, 2, 1, 2, 3, 2, 2))]
    assert torch.autograd.gradcheck(lambda q, k, v: attend(q, k, v, causal=True, backend=backend), leaves)


def test_weights_are_what_attend_applies():
    q, k, v = inputs(SHAPES["grouped heads"])
    weights = weigh(q, k, causal=True)
    torch.testing.assert_close(weights @ v.repeat_interleave(3, dim=1), attend(q, k, v, causal=True))
    assert torch.equal(weights > 0, causal(5, 7).expand_as(weights))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 5), st.integers(0, 10**6))
def test_output_lies_between_the_smallest_and_the_largest_value(n_query, n_key, width, seed):
    q, k, v = inputs((1, 1, 1, n_query, n_key, width, width), seed=seed)
    out = attend(q, k, v)
    assert (out <= v.amax(-2, keepdim=True) + 1e-12).all()
    assert (out >= v.amin(-2, keepdim=True) - 1e-12).all()


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 10**6))
def test_order_of_keys_does_not_matter_and_order_of_queries_carries_over(n_query, n_key, seed):
    q, k, v = inputs((1, 2, 2, n_query, n_key, 3, 4), seed=seed)
    draw = torch.Generator().manual_seed(seed)
    rows, columns = torch.randperm(n_query, generator=draw), torch.randperm(n_key, generator=draw)
    permuted = attend(q[..., rows, :], k[..., columns, :], v[..., columns, :])
    torch.testing.assert_close(permuted, attend(q, k, v)[..., rows, :])
