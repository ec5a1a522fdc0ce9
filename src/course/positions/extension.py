"""Longer contexts: frequencies with which rotary positions go further than a model was trained."""

from __future__ import annotations

import math

from jaxtyping import Float64
from torch import Tensor

from course.positions.rotary import rotary_frequencies
from course.shapes import Size, checked


@checked
def interpolated_frequencies(
    frequencies: Float64[Tensor, "half"], factor: float
) -> Float64[Tensor, "half"]:
    """Return :math:`\\theta_l/\\kappa`: position interpolation, equation :eq:`rotary-interpolation`.

    Args:
        frequencies: Radians per position of the trained model.
        factor: The factor :math:`\\kappa` by which the context grows, at least 1.

    Returns:
        The frequencies with which position `κm` gets the angles that `m` had.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: `factor` is below 1, or `frequencies` is empty.

    Source:
        Chen, Wong, Chen and Tian (2023), *Extending Context Window of Large Language Models via Positional
        Interpolation*.
    """
    _check_factor("interpolated_frequencies", factor)
    return frequencies / factor


@checked
def ntk_frequencies(
    d_head: Size, factor: float, base: float = 10_000.0
) -> Float64[Tensor, "half"]:
    """Return the frequencies of the base :math:`b\\,\\kappa^{d/(d-2)}`, equation :eq:`rotary-ntk`.

    The first pair turns as before and the last one :math:`\\kappa` times as slowly.

    Args:
        d_head: Width of a head, an even number of at least 4.
        factor: The factor :math:`\\kappa` by which the context grows, at least 1.
        base: The base of the trained model.

    Returns:
        Radians per position.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: `d_head` is odd or below 4, `factor` is below 1, or `base` is not above 1.

    Source:
        Peng, Quesnelle, Fan and Shippole (2024), *YaRN: Efficient Context Window Extension of Large Language
        Models*, section 3.1.
    """
    _check_factor("ntk_frequencies", factor)
    if d_head < 4:
        raise ValueError(f"ntk_frequencies: d_head must be at least 4, but got {d_head}.")
    return rotary_frequencies(d_head, base * factor ** (d_head / (d_head - 2)))


@checked
def yarn_frequencies(
    frequencies: Float64[Tensor, "half"],
    factor: float,
    trained_length: Size,
    slow: float = 1.0,
    fast: float = 32.0,
) -> Float64[Tensor, "half"]:
    """Interpolate the pairs that turn slowly and leave those that turn fast, equation :eq:`rotary-yarn`.

    Args:
        frequencies: Radians per position of the trained model.
        factor: The factor :math:`\\kappa` by which the context grows, at least 1.
        trained_length: Positions that the model was trained on.
        slow: Pairs with at most so many turns in the trained length are interpolated.
        fast: Pairs with at least so many turns are left alone. In between there is a ramp.

    Returns:
        Radians per position.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: `factor` is below 1, `fast` is not above `slow`, or a size does not fit.

    Source:
        Peng, Quesnelle, Fan and Shippole (2024), *YaRN: Efficient Context Window Extension of Large Language
        Models*, section 3.2.
    """
    _check_factor("yarn_frequencies", factor)
    if fast <= slow:
        raise ValueError(
            f"yarn_frequencies: fast must be above slow, but got {fast:g} and {slow:g}."
        )
    turns = trained_length * frequencies / (2 * math.pi)
    kept = ((turns - slow) / (fast - slow)).clamp(0, 1)
    return kept * frequencies + (1 - kept) * frequencies / factor


@checked
def yarn_scale(factor: float) -> float:
    """Return :math:`0.1 \\ln \\kappa + 1`, by which YaRN multiplies queries and keys both.

    Equation :eq:`rotary-temperature`. The scores grow by its square.

    Args:
        factor: The factor :math:`\\kappa` by which the context grows, at least 1.

    Returns:
        The factor on each of the two.

    Raises:
        TypeError: `factor` is not a number.
        ValueError: `factor` is below 1.

    Source:
        Peng, Quesnelle, Fan and Shippole (2024), *YaRN: Efficient Context Window Extension of Large Language
        Models*, section 3.4.
    """
    _check_factor("yarn_scale", factor)
    return 0.1 * math.log(factor) + 1


def _check_factor(function: str, factor: float) -> None:
    if factor < 1:
        raise ValueError(f"{function}: factor must be at least 1, but got {factor:g}.")
