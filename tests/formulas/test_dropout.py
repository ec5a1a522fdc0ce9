import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course.attention import dropout, softmax


def weights(*shape, seed=0):
    return softmax(torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_each_weight_is_zero_or_scaled_up():
    p = weights(2, 3, 40, 50)
    dropped = dropout(p, 0.25, generator())
    kept = dropped != 0
    torch.testing.assert_close(dropped[kept], p[kept] / 0.75)
    assert abs(kept.double().mean() - 0.75) < 4 * (0.75 * 0.25 / p.numel()) ** 0.5


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_mean_and_variance(rate):
    p = weights(1, 5)
    draws = dropout(p.expand(200_000, 1, 5), rate, generator())
    variance = rate / (1 - rate) * p**2
    error = (variance / 200_000).sqrt()
    assert ((draws.mean(0) - p).abs() < 5 * error).all()
    torch.testing.assert_close(draws.var(0), variance, rtol=0.05, atol=0)


def test_the_weights_drop_independently():
    kept = (dropout(weights(1, 4).expand(200_000, 1, 4), 0.3, generator()) != 0).squeeze(1).double()
    covariance = torch.cov(kept.T)
    torch.testing.assert_close(covariance, 0.21 * torch.eye(4, dtype=torch.float64), rtol=0, atol=3e-3)


def test_the_gradient_is_that_of_the_kept_weights():
    p = weights(3, 4).requires_grad_()
    dropped = dropout(p, 0.5, generator())
    (gradient,) = torch.autograd.grad(dropped.sum(), p)
    assert torch.equal(gradient, 2.0 * (dropped != 0))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_the_dtype_stays_and_the_input_is_left_alone(dtype):
    p = weights(3, 4).to(dtype)
    before = p.clone()
    assert dropout(p, 0.5, generator()).dtype == dtype
    assert torch.equal(p, before)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5), st.integers(1, 5), st.floats(0, 0.99), st.integers(0, 10**6))
def test_the_same_generator_gives_the_same_weights_and_zeros_stay_zero(n_query, n_key, rate, seed):
    p = weights(n_query, n_key, seed=seed)
    p[0] = 0
    one = dropout(p, rate, generator(seed))
    assert torch.equal(one, dropout(p, rate, generator(seed)))
    assert (one[0] == 0).all()
    assert torch.equal(dropout(p, 0.0), p)


@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5])
def test_impossible_rates_are_refused(rate):
    with pytest.raises(ValueError, match=f"^dropout: rate must be at least 0 .*but got {rate}"):
        dropout(weights(2, 3), rate)


def test_a_rate_that_is_no_number_is_refused():
    with pytest.raises(TypeError, match="rate must be a number, but got 'half'"):
        dropout(weights(2, 3), "half")
