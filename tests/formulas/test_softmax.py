import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course.attention import entropy, log_sum_exp, softmax
from course.formulas.normalizer import normalizer


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
    total = log_sum_exp(s, torch.tensor([[False] * 3, [True] * 3]))
    assert total[0] == -torch.inf
    (gradient,) = torch.autograd.grad(total.sum(), s)
    assert gradient[0].tolist() == [0, 0, 0]
    torch.testing.assert_close(gradient[1], p[1].detach())


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


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_summed_in_float32(dtype):
    """In half precision the sum of ones would stop at 2048 or at 256."""
    same = torch.zeros(1, 5000, dtype=dtype)
    total = log_sum_exp(same)
    assert total.dtype == dtype
    torch.testing.assert_close(total, torch.tensor([5000.0]).log().to(dtype))
    assert (softmax(same) == torch.tensor(1 / 5000).to(dtype)).all()


def test_entropy_equals_torch_where_all_weights_are_positive():
    p = softmax(scores(2, 3, 5))
    torch.testing.assert_close(entropy(p), torch.distributions.Categorical(p).entropy())
    assert torch.autograd.gradcheck(lambda s: entropy(softmax(s)), scores(2, 5).requires_grad_())


def test_entropy_of_zeros_is_zero_and_sends_no_gradient_back():
    p = torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.5, 0.0, 0.5]], requires_grad=True)
    h = entropy(p)
    torch.testing.assert_close(h, torch.tensor([0.0, 0.0, 2.0]).log().clamp(min=0))
    (gradient,) = torch.autograd.grad(h.sum(), p)
    assert gradient.isfinite().all()
    assert (gradient[p == 0] == 0).all()


def test_entropy_refuses_what_is_no_weight():
    with pytest.raises(ValueError, match=r"weights must not be negative, but one is -0\.2"):
        entropy(torch.tensor([0.6, 0.6, -0.2]))
    with pytest.raises(TypeError, match="weights must be a float tensor"):
        entropy(torch.tensor([1, 0]))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=5), st.integers(0, 10**6), st.floats(0.1, 300))
def test_normalizers_of_pieces_merge_into_that_of_the_whole(sizes, seed, scale):
    s = scores(2, sum(sizes), seed=seed, scale=scale)
    mask = torch.rand(2, sum(sizes), generator=torch.Generator().manual_seed(seed)) < 0.6
    pieces = [normalizer(*pair) for pair in zip(s.split(sizes, -1), mask.split(sizes, -1), strict=True)]
    forwards, backwards, whole = pieces[0], pieces[-1], normalizer(s, mask)
    for piece in pieces[1:]:
        forwards = forwards.merge(piece)
    for piece in pieces[-2::-1]:
        backwards = piece.merge(backwards)
    for merged in (forwards, backwards):
        assert torch.equal(merged.largest, whole.largest)
        torch.testing.assert_close(merged.total, whole.total)
        torch.testing.assert_close(merged.log(), torch.logsumexp(s.masked_fill(~mask, -torch.inf), -1))


def test_no_keys_change_nothing():
    some = normalizer(scores(2, 3))
    none = normalizer(scores(2, 4), torch.zeros(2, 4, dtype=torch.bool))
    assert none.log().tolist() == [-torch.inf, -torch.inf]
    for merged in (some.merge(none), none.merge(some)):
        assert torch.equal(merged.largest, some.largest)
        assert torch.equal(merged.total, some.total)
    assert none.merge(none).total.tolist() == [0, 0]


def test_gradients_pass_through_a_merge():
    def in_two_pieces(s):
        return normalizer(s[:, :2]).merge(normalizer(s[:, 2:])).log()

    s = scores(3, 5).requires_grad_()
    assert torch.autograd.gradcheck(in_two_pieces, s)
    (gradient,) = torch.autograd.grad(in_two_pieces(s).sum(), s)
    torch.testing.assert_close(gradient, softmax(s).detach())


def test_a_normalizer_refuses_bad_scores():
    with pytest.raises(TypeError, match=r"normalizer: scores must be a float tensor"):
        normalizer(torch.ones(2, 3, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"normalizer: mask has key = 2"):
        normalizer(torch.ones(2, 3), torch.ones(2, 2, dtype=torch.bool))
