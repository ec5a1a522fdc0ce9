"""What an answer costs, measured while it runs."""

from __future__ import annotations

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class LargestTensor(TorchDispatchMode):
    """Counts the numbers in new tensors, not views: in the largest, as `size`, and in all, as `total`."""

    def __enter__(self):
        self.size = self.total = 0
        return super().__enter__()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor) and not function.is_view:
            self.size = max(self.size, out.numel())
            self.total += out.numel()
        return out
