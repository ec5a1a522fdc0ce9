"""Normalisation of one token's vector: by mean and variance, or by the root mean square."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from course.formulas.precision import wide
from course.shapes import Size, checked


class LayerNorm(nn.Module):
    """Return :math:`\\gamma \\circ (x-\\mu)/\\sqrt{\\sigma^2+\\epsilon} + \\beta`, equation :eq:`layer-norm`.

    The mean and the variance are those of one token's channels, the variance without Bessel's correction.

    Args:
        d_model: Width of a token.
        eps: What is added to the variance, so that a constant vector can be divided.
        bias: Whether there is a shift :math:`\\beta`. It starts at zero, the weight :math:`\\gamma` at one.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: `d_model` is less than one.

    Source:
        Ba, Kiros and Hinton (2016), *Layer Normalization*, equation 3.
    """

    @checked
    def __init__(self, d_model: Size, eps: float = 1e-5, bias: bool = True) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(d_model))
        self.bias = nn.Parameter(torch.zeros(d_model)) if bias else None

    def forward(
        self, x: Float[Tensor, "*batch d_model"]
    ) -> Float[Tensor, "*batch d_model"]:
        """Normalise each token; half precision is squared and summed in float32."""
        centred = wide(x) - wide(x).mean(-1, keepdim=True)
        normal = wide(self.weight) * centred * _inverse_size(centred, self.eps)
        return (normal if self.bias is None else normal + self.bias).to(x.dtype)


class RMSNorm(nn.Module):
    """Return :math:`\\gamma \\circ x/\\sqrt{\\overline{x^2}+\\epsilon}`, equation :eq:`rms-norm`.

    Args:
        d_model: Width of a token.
        eps: What is added to the mean square.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: `d_model` is less than one.

    Source:
        Zhang and Sennrich (2019), *Root Mean Square Layer Normalization*, equation 4.
    """

    @checked
    def __init__(self, d_model: Size, eps: float = 1e-6) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(d_model))

    def forward(
        self, x: Float[Tensor, "*batch d_model"]
    ) -> Float[Tensor, "*batch d_model"]:
        """Normalise each token; half precision is squared and summed in float32."""
        return (wide(self.weight) * wide(x) * _inverse_size(wide(x), self.eps)).to(x.dtype)


def _inverse_size(x: Tensor, eps: float) -> Tensor:
    return torch.rsqrt(x.square().mean(-1, keepdim=True) + eps)
