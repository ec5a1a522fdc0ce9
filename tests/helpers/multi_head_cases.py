"""Sizes that differ, and layers with weights that are known."""

import torch
from torch import Tensor, nn

from course.attention import MultiHeadAttention

BATCH, T, S, D_MODEL, D_CONTEXT, HEADS = 2, 5, 7, 12, 10, 3


def normal(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def layer(*sizes: int, seed: int = 0, **options: object) -> MultiHeadAttention:
    module = MultiHeadAttention(*sizes, generator=torch.Generator().manual_seed(seed), **options).double()
    for i, (name, parameter) in enumerate(module.named_parameters()):
        if name.endswith("bias"):
            nn.init.normal_(parameter, generator=torch.Generator().manual_seed(i))
    return module
