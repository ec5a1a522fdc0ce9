"""The training loop against steps taken by hand."""

import pytest
import torch

from course.training import fit


def test_it_equals_gradient_descent_by_hand():
    x = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    losses = fit(lambda: x**2, torch.optim.SGD([x], lr=9.0), 4, rate=lambda step: 0.1 * step)
    expected, y = [], 3.0
    for step in range(1, 5):
        expected.append(y**2)
        y -= 0.1 * step * 2 * y
    assert losses == pytest.approx(expected)
    assert x.item() == pytest.approx(y)


def test_without_a_schedule_the_rate_is_the_optimizers():
    x = torch.tensor(3.0, requires_grad=True)
    fit(lambda: x**2, torch.optim.SGD([x], lr=0.25), 1)
    assert x.item() == 1.5


def test_no_steps():
    with pytest.raises(ValueError, match="steps"):
        fit(lambda: None, None, 0)
