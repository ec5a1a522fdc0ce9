"""Learned positions: a table with one trained vector for each position."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from course.shapes import Size, checked


class LearnedPositions(nn.Module):
    """Return :math:`x_p + a_p` with a trained row :math:`a_p` for each position, equation :eq:`learned-rows`.

    Args:
        n_positions: Rows of the table: the longest sequence there will be.
        d_model: Width of a row.
        generator: The source of the initial rows, whose entries have mean 0 and standard deviation 0.02.

    Raises:
        TypeError: A size is not an integer.
        ValueError: A size is less than one.

    Source:
        Gehring et al. (2017), *Convolutional Sequence to Sequence Learning*, section 3.1; Devlin et al.
        (2019), *BERT*, section 3.
    """

    @checked
    def __init__(
        self, n_positions: Size, d_model: Size, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.table = nn.Parameter(
            0.02 * torch.randn(n_positions, d_model, generator=generator)
        )

    @checked
    def forward(
        self, x: Float[Tensor, "*batch time d_model"]
    ) -> Float[Tensor, "*batch time d_model"]:
        """Add the rows of the first positions to `x`.

        Args:
            x: The embedded tokens.

        Returns:
            The tokens with their positions.

        Raises:
            TypeError: `x` is not a tensor of floats.
            ValueError: `x` has another width than the table, or is longer.
        """
        (n_positions, d_model), (time, width) = self.table.shape, x.shape[-2:]
        if width != d_model:
            raise ValueError(
                f"LearnedPositions: x must have d_model = {d_model}, "
                f"but its shape is {tuple(x.shape)}."
            )
        if time > n_positions:
            raise ValueError(
                f"LearnedPositions: x must have at most {n_positions} positions, "
                "one for each trained row, "
                f"but has {time}."
            )
        return x + self.table[:time]
