"""Sinusoidal position encodings: pairs of a sine and a cosine, each pair with a frequency of its own."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from course.shapes import Size, checked


@checked
def sinusoidal(
    n_positions: Size, d_model: Size, base: float = 10000.0
) -> Float[Tensor, "position d_model"]:
    """Return :math:`\\sin(p\\,\\omega_i)` and :math:`\\cos(p\\,\\omega_i)` side by side, :eq:`sinusoidal`.

    Columns ``2i`` and ``2i + 1`` are the pair of the frequency ``base ** (-2i / d_model)``. Positions count
    from zero. The angles are computed in float64: in float32 those of a million would be off by a tenth.

    Args:
        n_positions: Number of rows.
        d_model: Width, an even number.
        base: Longest wavelength in units of the shortest, about; greater than one.

    Returns:
        One row for each position, of the default dtype.

    Raises:
        TypeError: A size is not an integer.
        ValueError: A size is less than one, `d_model` is odd, or `base` is not greater than one.

    Source:
        Vaswani et al. (2017), *Attention Is All You Need*, section 3.5.
    """
    if d_model % 2:
        raise ValueError(
            "sinusoidal: d_model must be even, a sine and a cosine for each, "
            f"but got {d_model}."
        )
    if base <= 1:
        raise ValueError(f"sinusoidal: base must be greater than one, but got {base}.")
    frequencies = base ** (-torch.arange(0, d_model, 2, dtype=torch.float64) / d_model)
    angles = torch.arange(n_positions, dtype=torch.float64)[:, None] * frequencies
    pairs = torch.stack([angles.sin(), angles.cos()], dim=-1)
    return pairs.flatten(-2).to(torch.get_default_dtype())
