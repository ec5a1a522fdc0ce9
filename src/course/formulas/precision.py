"""Half precision: numbers that are stored in 16 bits and summed in 32."""

from __future__ import annotations

import torch
from torch import Tensor


def wide(x: Tensor) -> Tensor:
    """Half precision as float32, in which sums neither overflow nor drown; others as they are."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
