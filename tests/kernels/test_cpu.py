"""Attention in C++ against the loop in float64."""

from __future__ import annotations

import math
import subprocess
import sys
from functools import partial

import pytest
import torch
from attention_cases import (
    BIASES,
    MASKS,
    PLAIN,
    SHAPES,
    assert_same,
    bias_for,
    exact,
    inputs,
    mask_for,
    run,
    uneven,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import scaled_dot_product_attention

from course.attention import attend as any_attend
from course.kernels.cpu import NoCompiler, attend, compiler

try:
    compiler()
except NoCompiler:
    pytest.skip("no C++ compiler", allow_module_level=True)

LONG = {  # the table in tests/attention/test_attend.py has the short ones
    "several blocks": (1, 2, 1, 131, 150, 7, 19),
    "whole blocks": (1, 1, 1, 128, 64, 16, 32),
}
inputs = partial(inputs, dtype=torch.float32)


def assert_close(came, expected):
    assert_same(came, expected, torch.float32)


@pytest.mark.parametrize("causal", [False, True], ids=["full", "causal"])
@pytest.mark.parametrize("mask", [*MASKS, "padding"])
@pytest.mark.parametrize("bias", [*BIASES, "per query"])
@pytest.mark.parametrize("shape", LONG.values(), ids=LONG)
def test_blocks_are_joined(causal, mask, bias, shape):
    """The loop takes minutes for these; the whole matrix of weights in float64 equals it."""
    options = {"mask": mask_for(mask, shape), "causal": causal}
    tensors = inputs(shape) + [x.float() for x in bias_for(bias, shape)]
    assert_close(run(attend, tensors, **options), exact(any_attend, tensors, **options))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 150),
    st.integers(1, 150),
    st.integers(1, 40),
    st.integers(1, 40),
    st.booleans(),
    st.integers(0, 10**6),
)
def test_any_sizes(kv_heads, group, n_query, n_key, d_k, d_v, causal, seed):
    tensors = inputs((1, kv_heads * group, kv_heads, n_query, n_key, d_k, d_v), seed=seed)
    options = PLAIN | {"causal": causal, "scale": 1 / math.sqrt(d_k)}
    assert_close(run(attend, tensors, **options), exact(any_attend, tensors, **options))


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_number_of_threads_changes_nothing_but_the_order_of_sums(threads):
    tensors = inputs((1, 2, 1, 600, 600, 16, 16))
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        came = run(attend, tensors, **PLAIN)
        again = run(attend, tensors, **PLAIN)
    finally:
        torch.set_num_threads(before)
    assert_close(came, exact(any_attend, tensors))
    assert all(torch.equal(a, b) for a, b in zip(came, again, strict=True))


def test_tensors_need_not_be_contiguous():
    q, k, v = (torch.randn(2, 9, 3, n).transpose(1, 2) for n in (4, 4, 6))
    for tensors in ([q, k, v], [q, k.mT.contiguous().mT, v[..., ::2]]):
        expected = exact(any_attend, tensors)
        leaves = [x.detach().requires_grad_() for x in tensors]
        out = attend(*leaves, **PLAIN)
        assert_close([out.detach(), *torch.autograd.grad(out, leaves, uneven(out))], expected)
        # The gradient of a sum is one number that is repeated: its strides are zero.
        (dv,) = torch.autograd.grad(attend(*leaves, **PLAIN).sum(), leaves[2])
        torch.testing.assert_close(
            dv, torch.autograd.grad(any_attend(*leaves, scale=0.7).sum(), leaves[2])[0]
        )


@pytest.mark.parametrize("lead", [(), (3,), (2, 1, 3)])
def test_any_number_of_leading_axes(lead):
    q, k, v = (torch.randn(*lead, n, 4) for n in (3, 5, 5))
    torch.testing.assert_close(attend(q, k, v, **PLAIN), any_attend(q, k, v, scale=0.7))


def test_scores_of_any_size_and_nan():
    q, k, v = inputs((1, 1, 1, 70, 80, 8, 8))
    assert attend(q * 1e3, k * 1e3, v, **PLAIN).isfinite().all()
    q[..., 3, 0] = torch.nan
    out = attend(q, k, v, **PLAIN)
    assert out[..., 3, :].isnan().all()
    assert out[..., 4:, :].isfinite().all()


def test_nothing_visible_is_zero_and_has_no_gradient():
    shape = (1, 1, 1, 70, 80, 4, 4)
    none = torch.zeros(70, 80, dtype=torch.bool)
    assert all((x == 0).all() for x in run(attend, inputs(shape), **PLAIN | {"mask": none}))
    minus = torch.full((70, 80), -torch.inf)
    assert (attend(*inputs(shape), **PLAIN | {"bias": minus}) == 0).all()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_other_dtypes_are_refused(dtype):
    with pytest.raises(ValueError, match=r"'cpu' computes in float32 on the CPU, but got torch\..*'tiled'"):
        attend(*(x.to(dtype) for x in inputs(SHAPES["square"])), **PLAIN)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_product_of_the_lengths():
    """In a process of its own, whose largest size is read at the end: 8192² numbers are 256 MB."""
    script = (
        "import torch\n"
        "from course.bench.memory import largest_size\n"
        "from course.kernels.cpu import attend\n"
        "def run(n):\n"
        "    q, k, v = (torch.randn(1, 1, n, 16, requires_grad=True) for _ in range(3))\n"
        "    attend(q, k, v, mask=None, bias=None, causal=True, scale=0.25).sum().backward()\n"
        "run(64)\nbefore = largest_size()\nrun(8192)\nprint(largest_size() - before)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert float(ended.stdout) < 60


def test_the_fused_kernel_of_torch_agrees():
    q, k, v = inputs((1, 2, 2, 200, 200, 64, 64))
    expected = scaled_dot_product_attention(q, k, v, is_causal=True)
    torch.testing.assert_close(attend(q, k, v, **PLAIN | {"causal": True, "scale": 0.125}), expected)
