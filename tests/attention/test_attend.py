"""Every backend against the loop in float64: the one table test that each new backend joins."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course.attention import attend, causal, weigh
from course.attention.backends import BACKENDS

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
SLOW = {"triton": pytest.mark.slow}  # without a GPU its kernels are interpreted
FAST = [pytest.param(name, marks=SLOW.get(name, ())) for name in BACKENDS if name not in ("loop", "auto")]
DTYPES = {"cpu": [torch.float32], "triton": [torch.float32, torch.float16]}  # the others take all


def widest(backend):
    """The most exact dtype of a backend."""
    return DTYPES.get(backend, [torch.float64])[0]


def inputs(shape, dtype=torch.float64, seed=0):
    batch, heads, kv_heads, n_query, n_key, d_k, d_v = shape
    draw = torch.Generator().manual_seed(seed)
    sizes = [(batch, heads, n_query, d_k), (batch, kv_heads, n_key, d_k), (batch, kv_heads, n_key, d_v)]
    return [torch.randn(size, generator=draw, dtype=torch.float64).to(dtype) for size in sizes]


def mask_for(kind, shape):
    batch, heads, _, n_query, n_key, _, _ = shape
    if kind == "none":
        return None
    draw = torch.Generator().manual_seed(1)
    mask = torch.rand(batch, 1 if kind == "shared by heads" else heads, n_query, n_key, generator=draw) < 0.6
    if kind == "an empty row":
        mask[0, 0, n_query // 2] = False
    return mask


def bias_for(kind, shape):
    """A bias that broadcasts over the batch, or over the queries."""
    _, heads, _, n_query, n_key, _, _ = shape
    draw = torch.Generator().manual_seed(2)
    size = {"per head": (heads, n_query, n_key), "per key": (1, n_key)}.get(kind)
    return [] if size is None else [torch.randn(size, generator=draw, dtype=torch.float64)]


def run(tensors, **options):
    """The output and the gradients of q, k, v and the bias, for a fixed, uneven weighting of the output."""
    leaves = [t.clone().requires_grad_() for t in tensors]
    out = attend(*leaves[:3], bias=leaves[3] if leaves[3:] else None, **options)
    uneven = torch.linspace(-1, 2, out.numel(), dtype=torch.float64).reshape(out.shape).to(out.dtype)
    return [out.detach(), *torch.autograd.grad((out * uneven).sum(), leaves)]


@pytest.mark.parametrize("backend", FAST)
@pytest.mark.parametrize("is_causal", [False, True], ids=["full", "causal"])
@pytest.mark.parametrize("kind", ["none", "per head", "shared by heads", "an empty row"])
@pytest.mark.parametrize("bias", ["no bias", "per head", "per key"])
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_backend_equals_the_loop(backend, is_causal, kind, bias, shape):
    options = {"mask": mask_for(kind, shape), "causal": is_causal, "scale": 0.7}
    added = bias_for(bias, shape)
    expected = run(inputs(shape) + added, backend="loop", **options)
    for dtype in DTYPES.get(backend, BOUNDS):
        bound = BOUNDS[dtype]
        came = run(inputs(shape, dtype) + [x.to(dtype) for x in added], backend=backend, **options)
        for name, a, b in zip(("output", "dq", "dk", "dv", "dbias"), came, expected, strict=False):
            assert a.dtype == dtype
            assert a.shape == b.shape
            size = max(1.0, b.abs().max().item())
            assert (a.double() - b).abs().max().item() <= bound * size, f"{name} in {dtype}"


def test_the_loop_itself_against_two_lines_of_torch():
    q, k, v = inputs(SHAPES["odd lengths"])
    expected = (q @ k.mT / math.sqrt(q.shape[-1])).softmax(-1) @ v
    torch.testing.assert_close(attend(q, k, v, backend="loop"), expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_row_with_nothing_to_attend_to_is_zero_and_has_no_gradient(backend):
    q, k, v = inputs((1, 1, 1, 3, 4, 2, 2), widest(backend))
    mask = torch.ones(3, 4, dtype=torch.bool)
    mask[1] = False
    out, dq, dk, dv = run([q, k, v], mask=mask, backend=backend)
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


@pytest.mark.parametrize("backend", [name for name in BACKENDS if name not in DTYPES])
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
