"""Inputs on which answers are compared."""

from __future__ import annotations

import torch


def draw(*shapes, seed=0, requires_grad=False):
    """One tensor of normal numbers for each shape, the same ones at each call."""
    generator = torch.Generator().manual_seed(seed)
    return tuple(
        torch.randn(shape, generator=generator).requires_grad_(requires_grad)
        for shape in shapes
    )
