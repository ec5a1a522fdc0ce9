"""Gradients by hand against autograd, which differentiates the einsum backend on its own."""

import pytest
import torch
from attention_cases import assert_same, draw, exact, inputs, uneven
from hypothesis import given, settings
from hypothesis import strategies as st

from course.attention import attend, attend_backward, softmax, softmax_backward

NAMES = ("dq", "dk", "dv")


def by_autograd(q, k, v, grad, **options):
    leaves = [tensor.clone().requires_grad_() for tensor in (q, k, v)]
    return torch.autograd.grad(attend(*leaves, **options), leaves, grad)


def assert_equal(came, expected, bound=1e-10):
    for name, a, b in zip(NAMES, came, expected, strict=True):
        assert a.shape == b.shape, name
        assert a.dtype == b.dtype, name
        torch.testing.assert_close(
            a, b, rtol=bound, atol=bound, msg=lambda text, name=name: f"{name}: {text}"
        )


@settings(max_examples=80, deadline=None)
@given(
    lead=st.lists(st.integers(1, 2), max_size=2),
    kv_heads=st.integers(1, 2),
    group=st.integers(1, 3),
    sizes=st.tuples(*[st.integers(1, 4)] * 4),
    masked=st.sampled_from(["no", "full shape", "shared", "with an empty row"]),
    causal=st.booleans(),
    scale=st.sampled_from([None, 0.3, -1.5]),
    seed=st.integers(0, 10**6),
)
def test_equals_autograd(lead, kv_heads, group, sizes, masked, causal, scale, seed):
    n_query, n_key, d_k, d_v = sizes
    of_q, of_kv = [*lead, kv_heads * group], [*lead, kv_heads]
    shapes = ((*of_q, n_query, d_k), (*of_kv, n_key, d_k), (*of_kv, n_key, d_v), (*of_q, n_query, d_v))
    q, k, v, grad = draw(*shapes, seed=seed)
    mask = None
    if masked != "no":
        shape = (n_query, n_key) if masked == "shared" else (*of_q, n_query, n_key)
        mask = torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < 0.6
        if masked == "with an empty row":
            mask[..., 0, :] = False
    options = {"mask": mask, "causal": causal, "scale": scale}
    assert_equal(attend_backward(q, k, v, grad, **options), by_autograd(q, k, v, grad, **options))


def test_matrices_without_leading_axes():
    tensors = draw((3, 4), (5, 4), (5, 2), (3, 2))
    assert_equal(attend_backward(*tensors), by_autograd(*tensors))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_narrow_numbers(dtype):
    tensors = inputs((2, 6, 2, 5, 7, 4, 3), dtype)
    out = attend(*tensors, scale=0.7)
    came = [out, *attend_backward(*tensors, uneven(out), scale=0.7)]
    assert_same(came, exact(attend, inputs((2, 6, 2, 5, 7, 4, 3))), dtype)


def test_a_query_that_sees_nothing_gets_and_gives_no_gradient():
    q, k, v, grad = draw((3, 4), (5, 4), (5, 2), (3, 2))
    mask = torch.ones(3, 5, dtype=torch.bool)
    mask[1] = False
    dq, dk, dv = attend_backward(q, k, v, grad, mask=mask)
    assert (dq[1] == 0).all()
    without = attend_backward(q[[0, 2]], k, v, grad[[0, 2]])
    assert_equal((dq[[0, 2]], dk, dv), without, bound=1e-14)


def test_a_key_that_nobody_sees_gets_no_gradient():
    q, k, v, grad = draw((3, 4), (5, 4), (5, 2), (3, 2))
    mask = torch.arange(5) != 2
    _, dk, dv = attend_backward(q, k, v, grad, mask=mask.expand(1, 5))
    assert (dk[2] == 0).all()
    assert (dv[2] == 0).all()


def test_large_scores_do_not_overflow():
    q, k, v, grad = draw((3, 4), (5, 4), (5, 2), (3, 2), dtype=torch.float32)
    assert all(x.isfinite().all() for x in attend_backward(1e3 * q, 1e3 * k, v, grad))


@pytest.mark.parametrize("causal", [False, True])
def test_gradcheck_accepts_it_as_a_backward(causal):
    class Attention(torch.autograd.Function):
        @staticmethod
        def forward(ctx, q, k, v):
            ctx.save_for_backward(q, k, v)
            return attend(q, k, v, causal=causal)

        @staticmethod
        def backward(ctx, grad):
            return attend_backward(*ctx.saved_tensors, grad, causal=causal)

    leaves = [x.requires_grad_() for x in draw((2, 4, 2, 3), (2, 2, 3, 3), (2, 2, 3, 2))]
    assert torch.autograd.gradcheck(Attention.apply, leaves)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 6), st.floats(-100, 100), st.integers(0, 10**6))
def test_softmax_backward_ignores_a_constant_and_sums_to_zero(n_key, shift, seed):
    scores, grad = draw((3, n_key), (3, n_key), seed=seed)
    weights = softmax(scores)
    came = softmax_backward(weights, grad)
    torch.testing.assert_close(came.sum(-1), torch.zeros(3, dtype=torch.float64), rtol=0, atol=1e-12)
    torch.testing.assert_close(softmax_backward(weights, grad + shift), came, rtol=0, atol=1e-11)


def test_softmax_backward_equals_the_jacobian():
    scores, grad = draw((5,), (5,))
    jacobian = torch.autograd.functional.jacobian(lambda x: torch.softmax(x, -1), scores)
    torch.testing.assert_close(softmax_backward(softmax(scores), grad), grad @ jacobian)


def test_refuses_a_gradient_that_does_not_fit():
    q, k, v, grad = draw((2, 3, 4), (2, 5, 4), (2, 5, 6), (2, 3, 6))
    with pytest.raises(ValueError, match=r"grad has d_v = 4 \(its shape is \(2, 3, 4\)\), but v has d_v = 6"):
        attend_backward(q, k, v, q)
    with pytest.raises(ValueError, match=r"grad has query = 2 .*, but q has query = 3"):
        attend_backward(q, k, v, grad[:, :2])
    with pytest.raises(TypeError, match=r"grad is .*float32, but q is .*float64"):
        attend_backward(q, k, v, grad.float())
    with pytest.raises(ValueError, match=r"^attend_backward: the leading axes of k"):
        attend_backward(q, k[:1].repeat(3, 1, 1), v[:1].repeat(3, 1, 1), grad)
    with pytest.raises(ValueError, match="grad_weights has key = 3"):
        softmax_backward(torch.ones(2, 4), torch.ones(2, 3))
