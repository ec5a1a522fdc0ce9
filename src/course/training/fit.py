"""The training loop at its smallest."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from course.shapes import Size, checked


@checked
def fit(
    loss: Callable[[], Tensor],
    optimizer: torch.optim.Optimizer,
    steps: Size,
    rate: Callable[[int], float] | None = None,
) -> list[float]:
    """Take gradient steps on a loss that draws its own batches.

    Args:
        loss: Called once a step; gives a scalar.
        optimizer: Over the parameters to train.
        steps: Number of updates.
        rate: The learning rate at each step, counted from 1; ``None`` leaves that of the optimizer.

    Returns:
        The loss before each step.

    Raises:
        ValueError: `steps` is less than one.
    """
    losses = []
    for step in range(1, steps + 1):
        if rate is not None:
            for group in optimizer.param_groups:
                group["lr"] = rate(step)
        value = loss()
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        losses.append(value.item())
    return losses
