"""The residual connection: a sublayer adds to the stream, and its input or the sum is normalised."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


class Residual(nn.Module):
    """Return :math:`x + F(\\operatorname{norm}(x))`, equation :eq:`pre-norm`.

    Or, with post-norm, :math:`\\operatorname{norm}(x + F(x))`, equation :eq:`post-norm`.

    Args:
        sublayer: F, called with the normalised stream and whatever else is given.
        norm: The normalisation.
        pre_norm: Whether the input of the sublayer is normalised, or the sum.
        dropout: The share of the sublayer's output that is dropped in training.

    Source:
        He et al. (2016), *Deep Residual Learning*; Xiong et al. (2020), *On Layer Normalization in the
        Transformer Architecture*.
    """

    def __init__(
        self,
        sublayer: nn.Module,
        norm: nn.Module,
        *,
        pre_norm: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.sublayer, self.norm, self.pre_norm = sublayer, norm, pre_norm
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Add the sublayer's answer to `x`; what else is given goes to the sublayer."""
        if self.pre_norm:
            return x + self.dropout(self.sublayer(self.norm(x), *args, **kwargs))
        return self.norm(x + self.dropout(self.sublayer(x, *args, **kwargs)))
