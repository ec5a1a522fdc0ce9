"""Rotation against complex numbers, its laws, the layouts, and parity with Llama."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from course.attention import weigh
from course.positions import (
    halves_to_interleaved,
    interleaved_to_halves,
    rotary_angles,
    rotary_frequencies,
    rotate,
)


def draw(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def turned(x, positions, base=10_000.0):
    return rotate(x, rotary_angles(positions, rotary_frequencies(x.shape[-1], base)))


def by_complex_numbers(x, positions, base):
    """An independent reference: multiply by unit complex numbers, one token and pair at a time."""
    half = x.shape[-1] // 2
    out = torch.empty_like(x)
    for t, m in enumerate(positions.tolist()):
        for pair in range(half):
            angle = m * base ** (-2 * pair / x.shape[-1])
            unit = complex(math.cos(angle), math.sin(angle))
            z = torch.complex(x[..., t, pair], x[..., t, pair + half]) * unit
            out[..., t, pair], out[..., t, pair + half] = z.real, z.imag
    return out


@pytest.mark.parametrize("base", [2.0, 100.0, 10_000.0])
@pytest.mark.parametrize("d", [2, 4, 10])
def test_rotation_equals_complex_multiplication(d, base):
    x, positions = draw(2, 3, 5, d), torch.tensor([0, 1, 7, 100, 5])
    expected = by_complex_numbers(x, positions, base)
    torch.testing.assert_close(turned(x, positions, base), expected, rtol=0, atol=1e-12)


def test_positions_of_their_own_for_each_sequence():
    x, positions = draw(2, 3, 5, 4), torch.tensor([[0, 1, 2, 3, 4], [9, 8, 7, 6, 5]])
    out = rotate(x, rotary_angles(positions, rotary_frequencies(4)).unsqueeze(1))
    for b in range(2):
        torch.testing.assert_close(out[b], turned(x[b], positions[b]))


@given(st.integers(-3000, 3000), st.integers(-3000, 3000), st.integers(-3000, 3000))
def test_scores_depend_on_the_difference(m, n, shift):
    q, k = draw(1, 6), draw(1, 6, seed=1)

    def score(m, n):
        return turned(q, torch.tensor([m])) @ turned(k, torch.tensor([n])).mT

    torch.testing.assert_close(score(m, n), score(m + shift, n + shift), rtol=0, atol=1e-9)


@given(st.integers(-(10**6), 10**6))
def test_lengths_are_kept(m):
    x = draw(3, 1, 8)
    torch.testing.assert_close(turned(x, torch.tensor([m])).norm(dim=-1), x.norm(dim=-1))


def test_turning_back_is_the_inverse_and_the_gradient():
    x, grad, positions = draw(2, 5, 6).requires_grad_(), draw(2, 5, 6, seed=1), torch.arange(5)
    angles = rotary_angles(positions, rotary_frequencies(6))
    out = rotate(x, angles)
    torch.testing.assert_close(rotate(out, -angles), x)
    (dx,) = torch.autograd.grad((out * grad).sum(), x)
    torch.testing.assert_close(dx, rotate(grad, -angles))


def test_gradients_by_finite_differences():
    angles = rotary_angles(torch.tensor([0, 3, 50]), rotary_frequencies(4))
    assert torch.autograd.gradcheck(lambda x: rotate(x, angles), draw(2, 3, 4).requires_grad_())


def test_layouts_are_inverse_and_pair_the_same_channels():
    x = draw(3, 8)
    torch.testing.assert_close(halves_to_interleaved(interleaved_to_halves(x)), x)
    torch.testing.assert_close(interleaved_to_halves(halves_to_interleaved(x)), x)
    assert interleaved_to_halves(torch.arange(6.0)).tolist() == [0, 2, 4, 1, 3, 5]


def test_a_converted_model_has_the_scores_of_the_interleaved_one():
    x, w_q, w_k = draw(5, 7), draw(7, 8, seed=1), draw(7, 8, seed=2)
    angles = rotary_angles(torch.arange(5), rotary_frequencies(8))
    units = torch.polar(torch.ones_like(angles), angles)

    def interleaved(y):
        pairs = torch.view_as_complex(y.reshape(5, 4, 2))
        return torch.view_as_real(pairs * units).flatten(-2)

    q, k = (rotate(x @ interleaved_to_halves(w), angles) for w in (w_q, w_k))
    torch.testing.assert_close(weigh(q, k), weigh(interleaved(x @ w_q), interleaved(x @ w_k)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_far_positions_keep_their_angle_in_every_dtype(dtype):
    x, far = draw(1, 8, dtype=dtype), torch.tensor([1_000_003])
    bound = 4 * torch.finfo(dtype).eps * x.double().norm()
    assert turned(x, far).dtype == dtype
    assert (turned(x, far).double() - turned(x.double(), far)).abs().max() < bound


def test_equal_to_llama():
    from transformers.models.llama import modeling_llama as llama

    config = llama.LlamaConfig(hidden_size=24, num_attention_heads=3, head_dim=8)
    positions = torch.tensor([[0, 1, 2, 30, 400]])
    q, k = draw(1, 3, 5, 8, dtype=torch.float32), draw(1, 3, 5, 8, seed=1, dtype=torch.float32)
    cos, sin = llama.LlamaRotaryEmbedding(config)(q, positions)
    for ours, theirs in zip(
        (turned(q, positions[0]), turned(k, positions[0])),
        llama.apply_rotary_pos_emb(q, k, cos, sin),
        strict=True,
    ):
        # Their angles are float32, at position 400 off by up to 400 · 2⁻²⁴ radians; entries are below 4.
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-4)


THETA = rotary_frequencies(4)
ANGLES = rotary_angles(torch.arange(5), THETA)
REFUSED = {
    "an odd width": (rotary_frequencies, (5,), "d_head must be even, but got 5"),
    "no width": (rotary_frequencies, (0,), "d_head must be a positive integer, but got 0"),
    "a base of one": (rotary_frequencies, (4, 1.0), "base must be above 1, but got 1"),
    "fractional positions": (rotary_angles, (torch.arange(5.0), THETA), "positions must be an int tensor"),
    "low precision": (rotary_angles, (torch.arange(5), THETA.float()), "frequencies must be a float64"),
    "integers": (rotate, (torch.ones(5, 4).long(), ANGLES), "x must be a"),
    "angles in float32": (rotate, (torch.ones(5, 4), ANGLES.float()), "angles must be a float64 tensor"),
    "another width": (rotate, (torch.ones(5, 6), ANGLES), "its width is 6 and angles has 2"),
    "another length": (rotate, (torch.ones(6, 4), ANGLES), "angles has time = 5"),
    "odd halves": (interleaved_to_halves, (torch.ones(3),), "the last axis of x must be even"),
    "odd pairs": (halves_to_interleaved, (torch.ones(3),), "the last axis of x must be even"),
}


@pytest.mark.parametrize(("function", "arguments", "says"), REFUSED.values(), ids=REFUSED)
def test_refused_with_a_sentence(function, arguments, says):
    with pytest.raises((TypeError, ValueError)) as caught:
        function(*arguments)
    assert str(caught.value).startswith(f"{function.__name__}: ")
    assert says in str(caught.value)
    assert "but" in str(caught.value)
