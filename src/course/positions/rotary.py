"""Rotary positions: queries and keys turn with their position, so that scores see distances only."""

from __future__ import annotations

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from course.shapes import Size, checked


@checked
def rotary_frequencies(d_head: Size, base: float = 10_000.0) -> Float64[Tensor, "half"]:
    """Return :math:`\\theta_l = b^{-2l/d}`, how far pair `l` turns from one position to the next.

    Equation :eq:`rotary-frequencies`.

    Args:
        d_head: Width of a head, an even number.
        base: The base :math:`b`, above 1. A larger one turns the last pairs more slowly.

    Returns:
        Radians per position, from 1 downwards.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: `d_head` is odd or not positive, or `base` is not above 1.

    Source:
        Su et al. (2024), *RoFormer: Enhanced Transformer with Rotary Position Embedding*, section 3.2.2.
    """
    if d_head % 2:
        raise ValueError(f"rotary_frequencies: d_head must be even, but got {d_head}.")
    if base <= 1:
        raise ValueError(f"rotary_frequencies: base must be above 1, but got {base:g}.")
    return base ** (-torch.arange(0, d_head, 2, dtype=torch.float64) / d_head)


@checked
def rotary_angles(
    positions: Int[Tensor, "*batch time"], frequencies: Float64[Tensor, "half"]
) -> Float64[Tensor, "*batch time half"]:
    """Return the angles :math:`m\\,\\theta_l` of all positions and pairs, as in equation :eq:`rotary-matrix`.

    They are float64 on purpose: in 16 bits, and for long texts in 32, positions far out get the angle of
    another position (equation :eq:`rotary-spacing`).

    Args:
        positions: Position of each token. With a cache, the new tokens do not start at zero.
        frequencies: Radians per position, from :func:`rotary_frequencies` or one of its extensions.

    Returns:
        Angles in radians.

    Raises:
        TypeError: `positions` is not an integer tensor, or `frequencies` not a float64 tensor.
        ValueError: A tensor is empty, or they lie on different devices.
    """
    return positions.unsqueeze(-1) * frequencies


@checked
def rotate(
    x: Float[Tensor, "*batch time d_head"], angles: Float64[Tensor, "*#batch time half"]
) -> Float[Tensor, "*batch time d_head"]:
    """Turn each pair of channels of each token by its angle, equation :eq:`rotary-elementwise`.

    The layout is that of Llama: pair `l` consists of channels `l` and `l + d_head / 2`. For vectors or
    weights in the interleaved layout see :func:`interleaved_to_halves`.

    Args:
        x: Queries or keys, ``(batch, heads, time, d_head)`` or with any other leading axes.
        angles: From :func:`rotary_angles`; the leading axes broadcast.

    Returns:
        The turned vectors, of the same lengths and dtype as `x`.

    Raises:
        TypeError: `x` is not a floating-point tensor, or `angles` not a float64 tensor.
        ValueError: The shapes do not fit, or a tensor is empty.

    Source:
        Su et al. (2024), *RoFormer: Enhanced Transformer with Rotary Position Embedding*, equation 34.
    """
    if x.shape[-1] != 2 * angles.shape[-1]:
        raise ValueError(
            "rotate: x must have two channels for each angle, "
            f"but its width is {x.shape[-1]} and "
            f"angles has {angles.shape[-1]}."
        )
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1)


@checked
def interleaved_to_halves(
    x: Float[Tensor, "*batch d_head"],
) -> Float[Tensor, "*batch d_head"]:
    """Reorder the last axis from pairs ``(0, 1), (2, 3), …`` to the halves that :func:`rotate` expects.

    Equation :eq:`rotary-layouts`. Applied to the columns of :math:`W_Q` and :math:`W_K`, head by head, it
    converts a model; `torch.nn.Linear` stores the transpose of these matrices.

    Args:
        x: Vectors, or weights with the channels of a head on the last axis.

    Returns:
        A copy with the even channels first, then the odd ones.

    Raises:
        TypeError: `x` is not a floating-point tensor.
        ValueError: `x` is empty, or its last axis is odd.
    """
    _check_even("interleaved_to_halves", x)
    return torch.cat([x[..., 0::2], x[..., 1::2]], dim=-1)


@checked
def halves_to_interleaved(
    x: Float[Tensor, "*batch d_head"],
) -> Float[Tensor, "*batch d_head"]:
    """Undo :func:`interleaved_to_halves`.

    Args:
        x: Vectors, or weights with the channels of a head on the last axis.

    Returns:
        A copy in which the two channels of a pair are neighbours.

    Raises:
        TypeError: `x` is not a floating-point tensor.
        ValueError: `x` is empty, or its last axis is odd.
    """
    _check_even("halves_to_interleaved", x)
    return torch.stack(x.chunk(2, dim=-1), dim=-1).flatten(-2)


def _check_even(function: str, x: Tensor) -> None:
    if x.shape[-1] % 2:
        raise ValueError(
            f"{function}: the last axis of x must be even, but it has {x.shape[-1]} channels."
        )
