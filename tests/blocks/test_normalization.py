"""The norms against torch's, and the laws that their formulas promise."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from course.blocks import LayerNorm, RMSNorm

KINDS = {"layer": LayerNorm, "rms": RMSNorm}


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def filled(kind, d_model, **options):
    module = KINDS[kind](d_model, **options).double()
    for seed, parameter in enumerate(module.parameters(), 1):
        parameter.data = normal(d_model, seed=seed)
    return module


@pytest.mark.parametrize("shape", [(7,), (3, 7), (2, 3, 5)])
@pytest.mark.parametrize("kind", ["layer", "layer without bias", "rms"])
def test_it_equals_torch(kind, shape):
    options = {"bias": False} if "without" in kind else {}
    module = filled(kind.split()[0], shape[-1], eps=1e-3, **options)
    x = normal(*shape).requires_grad_()
    if kind == "rms":
        expected = F.rms_norm(x, shape[-1:], module.weight, module.eps)
    else:
        expected = F.layer_norm(x, shape[-1:], module.weight, module.bias, module.eps)
    torch.testing.assert_close(module(x), expected, rtol=0, atol=1e-12)
    uneven = torch.linspace(-1, 2, x.numel(), dtype=x.dtype).reshape(shape)
    leaves = [x, *module.parameters()]
    came = torch.autograd.grad((module(x) * uneven).sum(), leaves)
    for a, b in zip(came, torch.autograd.grad((expected * uneven).sum(), leaves), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-11)


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 40), st.floats(0.1, 100), st.floats(-50, 50), st.integers(0, 1000))
def test_layer_norm_ignores_scale_and_shift(d_model, scale, shift, seed):
    x = normal(3, d_model, seed=seed)
    module = filled("layer", d_model, eps=0.0)
    torch.testing.assert_close(module(scale * x + shift), module(x), rtol=1e-6, atol=1e-6)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 40), st.floats(0.1, 100), st.integers(0, 1000))
def test_rms_norm_ignores_scale(d_model, scale, seed):
    x = normal(3, d_model, seed=seed)
    module = filled("rms", d_model, eps=0.0)
    torch.testing.assert_close(module(scale * x), module(x), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("eps", [1e-5, 1e-12])
@pytest.mark.parametrize("size", [300.0, 1.0, 1e-3])
@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_is_squared_in_float32(kind, size, eps, dtype):
    module = KINDS[kind](7, eps=eps).to(dtype)
    x = (size * normal(3, 7)).to(dtype)
    wanted = KINDS[kind](7, eps=eps).double()(x.double())
    torch.testing.assert_close(module(x).double(), wanted, rtol=torch.finfo(dtype).eps, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_constant_vector_stays_finite(kind):
    x = torch.zeros(2, 5, requires_grad=True)
    out = KINDS[kind](5)(x)
    out.sum().backward()
    assert out.isfinite().all()
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("size", "error"), [(0, ValueError), (2.0, TypeError)])
def test_bad_sizes(kind, size, error):
    with pytest.raises(error, match="d_model"):
        KINDS[kind](size)
