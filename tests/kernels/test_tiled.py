"""The tiled kernel against the loop in float64, with tiles so small that every case has several."""

import math
import weakref
from functools import partial as bind

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course.attention import attend, causal
from course.attention.backends import loop, sdpa
from course.kernels.tiled import tiled

SHAPES = {  # (batch, query heads, key heads, queries, keys, d_k, d_v)
    "square": (2, 3, 3, 6, 6, 4, 4),
    "odd lengths": (2, 3, 3, 5, 7, 4, 6),
    "more queries than keys": (1, 2, 2, 9, 5, 3, 2),
    "one query": (2, 4, 4, 1, 7, 5, 3),
    "one key": (2, 2, 2, 5, 1, 3, 4),
    "grouped heads": (2, 6, 2, 5, 7, 4, 3),
    "one head of keys": (1, 4, 1, 5, 5, 2, 5),
}
BOUNDS = {torch.float64: 1e-12, torch.float32: 2e-6, torch.float16: 4e-3, torch.bfloat16: 3e-2}
PLAIN = {"mask": None, "bias": None, "causal": False, "scale": 0.7}
SMALL = bind(tiled, tile=(2, 3))


def draw(*shapes, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype) for shape in shapes]


def inputs(shape, dtype=torch.float64, seed=0):
    batch, heads, kv_heads, n_query, n_key, d_k, d_v = shape
    sizes = (batch, heads, n_query, d_k), (batch, kv_heads, n_key, d_k), (batch, kv_heads, n_key, d_v)
    return draw(*sizes, dtype=dtype, seed=seed)


def mask_for(kind, shape):
    batch, heads, _, n_query, n_key, _, _ = shape
    generator = torch.Generator().manual_seed(1)
    size = {
        "none": None,
        "per head": (batch, heads, n_query, n_key),
        "shared by heads": (batch, 1, n_query, n_key),
        "an empty row": (batch, heads, n_query, n_key),
        "per key": (n_key,),
    }[kind]
    if size is None:
        return None
    mask = torch.rand(size, generator=generator) < 0.6
    if kind == "an empty row":
        mask[0, 0, n_query // 2] = False
    if kind == "per key":
        mask[0] = True  # the loop has no gradient where nothing at all is visible
    return mask


def bias_for(kind, shape):
    """A bias that broadcasts over the batch, over the queries, or not at all."""
    batch, heads, _, n_query, n_key, _, _ = shape
    size = {
        "per head": (heads, n_query, n_key),
        "per key": (1, n_key),
        "whole": (batch, heads, n_query, n_key),
    }
    return draw(size[kind], seed=2) if kind in size else []


def run(tensors, backend, **options):
    """The output and the gradients of q, k, v and the bias, for a fixed, uneven weighting of the output."""
    leaves = [t.clone().requires_grad_() for t in tensors]
    out = backend(*leaves[:3], **PLAIN | options | {"bias": leaves[3] if leaves[3:] else None})
    uneven = torch.linspace(-1, 2, out.numel(), dtype=torch.float64).reshape(out.shape).to(out.dtype)
    return [out.detach(), *torch.autograd.grad((out * uneven).sum(), leaves)]


@pytest.mark.parametrize("is_causal", [False, True], ids=["full", "causal"])
@pytest.mark.parametrize("kind", ["none", "per head", "shared by heads", "an empty row", "per key"])
@pytest.mark.parametrize("bias", ["no bias", "per head", "per key", "whole"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_equals_the_loop(is_causal, kind, bias, shape):
    options = {"mask": mask_for(kind, shape), "causal": is_causal}
    added = bias_for(bias, shape)
    expected = run(inputs(shape) + added, loop, **options)
    for dtype, bound in BOUNDS.items():
        came = run(inputs(shape, dtype) + [x.to(dtype) for x in added], SMALL, **options)
        for name, a, b in zip(("output", "dq", "dk", "dv", "dbias"), came, expected, strict=False):
            assert a.dtype == dtype
            assert a.shape == b.shape
            size = max(1.0, b.abs().max().item())
            assert (a.double() - b).abs().max().item() <= bound * size, f"{name} in {dtype}"


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
        run(tensors, bind(tiled, tile=tile), **options),
        run(tensors, lambda *x, **o: attend(*x, **o), **options),
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
    out, dq, dk, dv = run([q, k, v], SMALL, mask=mask)
    assert (out[0, 0, 1] == 0).all()
    assert (dq[0, 0, 1] == 0).all()
    assert all(x.isfinite().all() for x in (out, dq, dk, dv))
    assert all((x == 0).all() for x in run([q, k, v], SMALL, mask=torch.zeros_like(mask)))


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
    for a, b in zip(run([q, k, v, bias], SMALL), run([q, k, v], SMALL, mask=mask), strict=False):
        torch.testing.assert_close(a, b)


def test_large_scores_do_not_overflow():
    q, k, v = inputs(SHAPES["odd lengths"], torch.float32)
    assert all(x.isfinite().all() for x in run([q * 1e3, k * 1e3, v], SMALL))


def test_causal_tiles_behind_the_diagonal_are_never_read():
    q, k, v = draw((6, 2), (6, 2), (6, 2))
    k[4:], v[4:] = math.nan, math.nan  # keys of the last tile: no query of the first two tiles may see them
    assert SMALL(q, k, v, **PLAIN | {"causal": True})[:2].isfinite().all()


@pytest.mark.parametrize("shape", [(1, 2, 2, 600, 600, 16, 16), (1, 4, 2, 300, 700, 8, 24)])
@pytest.mark.parametrize("is_causal", [False, True])
def test_tiles_of_the_usual_size_equal_torch(shape, is_causal):
    tensors = inputs(shape, torch.float32)
    for a, b in zip(run(tensors, tiled, causal=is_causal), run(tensors, sdpa, causal=is_causal), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


def test_nothing_with_a_row_for_each_query_and_a_column_for_each_key_is_made():
    """Neither pass makes a tensor as large as the matrix of weights."""
    from course.exercises.meter import LargestTensor

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
