"""What the explorer is shown with in tests."""

import torch

TOKENS = ["The", "animal", "did", "not", "cross", "the", "street", "because", "it", "was", "too", "tired"]


def weights_of_four_heads() -> torch.Tensor:
    """Weights of twelve tokens; the second head is causal, and a query of the fourth attends to nothing."""
    g = torch.Generator().manual_seed(0)
    weights = torch.softmax(2 * torch.randn(4, 12, 12, generator=g), -1)
    weights[1] = weights[1].tril() / weights[1].tril().sum(-1, keepdim=True)
    weights[3, 5] = 0
    return weights
