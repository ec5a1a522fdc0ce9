"""How far numbers may lie apart."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Tolerance:
    """How far numbers may lie apart: ``|got - expected| <= atol + rtol * |expected|``."""

    rtol: float
    atol: float

    def accepts(self, got: Tensor, expected: Tensor) -> Tensor:
        """Entry by entry, whether `got` is near enough; NaN agrees with NaN, an infinity with itself."""
        return torch.isclose(got, expected, rtol=self.rtol, atol=self.atol, equal_nan=True)
