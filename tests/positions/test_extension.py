"""Frequencies for longer contexts: what stays, what is interpolated, and what is refused."""

import math

import pytest
import torch

from course.positions import (
    interpolated_frequencies,
    ntk_frequencies,
    rotary_angles,
    rotary_frequencies,
    yarn_frequencies,
    yarn_scale,
)


def test_interpolation_gives_old_angles_to_new_positions():
    theta = rotary_frequencies(8)
    new = rotary_angles(4 * torch.arange(6), interpolated_frequencies(theta, 4.0))
    torch.testing.assert_close(new, rotary_angles(torch.arange(6), theta))


@pytest.mark.parametrize("d", [4, 6, 128])
def test_ntk_keeps_the_first_pair_and_interpolates_the_last(d):
    old, new = rotary_frequencies(d), ntk_frequencies(d, 4.0)
    torch.testing.assert_close(new[0], old[0])
    torch.testing.assert_close(new[-1], old[-1] / 4)
    assert ((old / new).diff() > 0).all()


def test_yarn_keeps_fast_pairs_interpolates_slow_ones_and_ramps_between():
    theta = rotary_frequencies(64)
    turns = 2048 * theta / (2 * math.pi)
    ratio = theta / yarn_frequencies(theta, 8.0, 2048)
    torch.testing.assert_close(ratio[turns >= 32], torch.ones_like(ratio[turns >= 32]))
    torch.testing.assert_close(ratio[turns <= 1], torch.full_like(ratio[turns <= 1], 8.0))
    between = ratio[(turns > 1) & (turns < 32)]
    assert len(between) > 3
    assert ((between > 1) & (between < 8)).all()


def test_a_factor_of_one_changes_nothing():
    theta = rotary_frequencies(8)
    for same in (
        interpolated_frequencies(theta, 1.0),
        ntk_frequencies(8, 1.0),
        yarn_frequencies(theta, 1.0, 64),
    ):
        torch.testing.assert_close(same, theta)
    assert yarn_scale(1.0) == 1


THETA = rotary_frequencies(4)
REFUSED = {
    "a shrinking context": (interpolated_frequencies, (THETA, 0.5), "factor must be at least 1, but got 0.5"),
    "a shrinking base": (ntk_frequencies, (4, 0.5), "factor must be at least 1, but got 0.5"),
    "one pair": (ntk_frequencies, (2, 2.0), "d_head must be at least 4, but got 2"),
    "a reversed ramp": (yarn_frequencies, (THETA, 2.0, 64, 8.0, 1.0), "fast must be above slow, but got 1"),
    "no length": (yarn_frequencies, (THETA, 2.0, 0), "trained_length must be a positive integer"),
    "a cold context": (yarn_scale, (0.5,), "factor must be at least 1, but got 0.5"),
}


@pytest.mark.parametrize(("function", "arguments", "says"), REFUSED.values(), ids=REFUSED)
def test_refused_with_a_sentence(function, arguments, says):
    with pytest.raises((TypeError, ValueError)) as caught:
        function(*arguments)
    assert str(caught.value).startswith(f"{function.__name__}: ")
    assert says in str(caught.value)
    assert "but" in str(caught.value)
