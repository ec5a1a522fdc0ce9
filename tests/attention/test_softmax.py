import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course.attention import log_sum_exp, softmax


def scores(*shape, seed=0, scale=3.0):
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_equals_torch():
    s = scores(3, 4, 5)
    torch.testing.assert_close(softmax(s), torch.softmax(s, -1))
    torch.testing.assert_close(log_sum_exp(s), torch.logsumexp(s, -1))


def test_mask_equals_softmax_over_the_visible_scores_alone():
    s, mask = scores(2, 6), torch.tensor([[True, False, True, True, False, True], [False, True] * 3])
    for row, keep, p, total in zip(s, mask, softmax(s, mask), log_sum_exp(s, mask), strict=True):
        torch.testing.assert_close(p[keep], torch.softmax(row[keep], -1))
        torch.testing.assert_close(total, torch.logsumexp(row[keep], -1))
        assert (p[~keep] == 0).all()


def test_an_empty_row_has_weights_of_zero_and_gradients_of_zero():
    s = scores(2, 3).requires_grad_()
    p = softmax(s, torch.tensor([[False] * 3, [True] * 3]))
    assert p[0].tolist() == [0, 0, 0]
    (gradient,) = torch.autograd.grad((p * p).sum(), s)
    assert gradient[0].tolist() == [0, 0, 0]
    assert log_sum_exp(s.detach(), torch.zeros(3, dtype=torch.bool)).tolist() == [-torch.inf, -torch.inf]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_the_largest_scores_of_a_dtype_do_not_overflow(dtype):
    biggest = torch.finfo(dtype).max / 4
    p = softmax(torch.tensor([[biggest, biggest, -biggest]], dtype=dtype))
    assert p.dtype == dtype
    assert p.tolist() == [[0.5, 0.5, 0.0]]


def test_gradients():
    s, mask = (
        scores(3, 4).requires_grad_(),
        torch.rand(3, 4, generator=torch.Generator().manual_seed(1)) < 0.7,
    )
    mask[1] = False
    assert torch.autograd.gradcheck(lambda x: softmax(x, mask), s)
    assert torch.autograd.gradcheck(log_sum_exp, s)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 9), st.floats(-1e3, 1e3), st.integers(0, 10**6))
def test_a_constant_added_to_a_row_changes_nothing(n_key, shift, seed):
    s = scores(2, n_key, seed=seed)
    p = softmax(s + shift)
    torch.testing.assert_close(p, softmax(s), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(p.sum(-1), torch.ones(2, dtype=torch.float64))
    torch.testing.assert_close(log_sum_exp(s + shift), log_sum_exp(s) + shift, rtol=1e-9, atol=1e-9)
