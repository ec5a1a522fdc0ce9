"""What an answer costs, measured while it runs."""

from __future__ import annotations

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class LargestTensor(TorchDispatchMode):
    """Watches how many numbers the largest new tensor holds, as `size`; views are not new."""

    def __enter__(self):
        self.size = 0
        return super().__enter__()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor) and not function.is_view:
            self.size = max(self.size, out.numel())
        return out
