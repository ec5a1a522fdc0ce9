"""The feed-forward network: the same small network for every token, on its own."""

from __future__ import annotations

from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from course.shapes import Size, checked

ACTIVATIONS = {
    "relu": F.relu,
    "gelu": F.gelu,
    "gelu_tanh": partial(F.gelu, approximate="tanh"),
    "silu": F.silu,
}


class FeedForward(nn.Module):
    """Return :math:`\\phi(xW_1 + b_1)W_2 + b_2`, equation :eq:`feed-forward`, or its gated form.

    Gated, :eq:`gated-feed-forward`: :math:`(\\phi(xW_g) \\circ xW_1)\\,W_2`.

    Args:
        d_model: Width of the input and of the output.
        d_ff: Width inside.
        activation: The nonlinearity :math:`\\phi`: ``"relu"``, ``"gelu"``, ``"gelu_tanh"`` or ``"silu"``.
        gated: Whether a second projection, activated, multiplies the first.
        bias: Whether the projections add a bias, which starts at zero.
        generator: The source of the initial weights, which have variance 1 / (width of their input).

    Raises:
        TypeError: A size is not an integer.
        ValueError: A size is less than one, or the activation is unknown.

    Source:
        Vaswani et al. (2017), *Attention Is All You Need*, equation 2; Shazeer (2020), *GLU Variants Improve
        Transformer*.
    """

    @checked
    def __init__(
        self,
        d_model: Size,
        d_ff: Size,
        activation: str = "relu",
        *,
        gated: bool = False,
        bias: bool = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ValueError(
                f"FeedForward: activation must be one of {', '.join(ACTIVATIONS)}, but got {activation!r}."
            )
        self.activation = ACTIVATIONS[activation]
        self.w_in = nn.Linear(d_model, d_ff, bias)
        self.w_gate = nn.Linear(d_model, d_ff, bias) if gated else None
        self.w_out = nn.Linear(d_ff, d_model, bias)
        for linear in filter(None, (self.w_in, self.w_gate, self.w_out)):
            nn.init.normal_(
                linear.weight, std=linear.in_features**-0.5, generator=generator
            )
            if bias:
                nn.init.zeros_(linear.bias)

    @checked
    def forward(
        self, x: Float[Tensor, "*batch d_model"]
    ) -> Float[Tensor, "*batch d_model"]:
        """Transform each token on its own.

        Args:
            x: One vector per token.

        Returns:
            Vectors of the same shape.

        Raises:
            TypeError: `x` is not a floating-point tensor.
            ValueError: `x` is of another width, or empty.
        """
        if x.shape[-1] != self.w_in.in_features:
            raise ValueError(
                f"FeedForward: x must be {self.w_in.in_features} wide, "
                f"but its shape is {tuple(x.shape)}."
            )
        if self.w_gate is None:
            return self.w_out(self.activation(self.w_in(x)))
        return self.w_out(self.activation(self.w_gate(x)) * self.w_in(x))
