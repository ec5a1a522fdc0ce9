import math

import pytest
import torch

from course.attention import elu_plus_one, positive_features


def test_elu_plus_one_is_positive_and_smooth_at_zero():
    x = torch.linspace(-20, 20, 401, dtype=torch.float64, requires_grad=True)
    y = elu_plus_one(x)
    assert (y > 0).all()
    torch.testing.assert_close(y, torch.where(x > 0, x + 1, x.exp()))
    torch.testing.assert_close(torch.autograd.grad(y.sum(), x)[0], torch.where(x > 0, 1, x.exp()))


def test_elu_plus_one_of_very_negative_numbers_is_not_rounded_to_zero():
    x = torch.tensor([-80.0, -30.0])
    torch.testing.assert_close(elu_plus_one(x), x.double().exp().float(), rtol=1e-5, atol=0)


def test_positive_features_have_the_mean_and_the_variance_of_the_chapter():
    generator = torch.Generator().manual_seed(0)
    x, y = 0.4 * torch.randn(2, 6, generator=generator, dtype=torch.float64)
    n = 50_000
    directions = torch.randn(n, 6, generator=generator, dtype=torch.float64)
    products = n * positive_features(x, directions) * positive_features(y, directions)
    exact = math.exp(x @ y / math.sqrt(6))
    relative_variance = math.expm1(((x + y) / 6**0.25).square().sum())
    standard_error = exact * math.sqrt(relative_variance / n)
    assert abs(products.mean() - exact) < 4 * standard_error
    torch.testing.assert_close(products.var().item() / exact**2, relative_variance, rtol=0.2, atol=0.0)


def test_positive_features_never_overflow_and_have_gradients():
    directions = torch.randn(7, 64, generator=torch.Generator().manual_seed(0))
    features = positive_features(1e4 * torch.randn(3, 2, 64), directions)
    assert features.shape == (3, 2, 7)
    assert features.isfinite().all()
    x = torch.randn(2, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(positive_features, (x, directions[:, :4].double()))


def test_widths_must_agree():
    with pytest.raises(ValueError, match="positive_features: directions has d = 5"):
        positive_features(torch.ones(2, 4), torch.ones(3, 5))
